/** Answers that are large, and small ones beside them. */
const BYTES = 2 ** 23;
const RECORD = { id: 4711, name: 'a record of a hundred bytes', tags: ['one', 'two'], at: '2026-01-01T00:00:00Z', ok: true };
const COUNT = Math.floor(BYTES / (JSON.stringify(RECORD).length + 1));

const values = {
  text: 'x'.repeat(BYTES - 1024),
  objects: Array.from({ length: COUNT - 100 }, (_, id) => ({ ...RECORD, id })),
  bytes: new Uint8Array(BYTES - 1024).fill(7),
};

/** How long the plugin's own thread is held by encoding it, whoever sends it. */
function encodeMs(shape) {
  const from = performance.now();
  if (shape === 'bytes') Buffer.from(values.bytes);
  else Buffer.from(JSON.stringify(values[shape]), 'latin1');
  return performance.now() - from;
}

/** The same for all processes of a machine. */
const clockMs = () => Number(process.hrtime.bigint()) / 1e6;

export default { methods: { large: (shape) => values[shape], small: clockMs, encodeMs } };
