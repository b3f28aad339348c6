/**
 * Sends payloads to one subject and back, in a process of its own: `node payloads.mjs SUBJECT MS`, each payload for so long. Prints
 * round trips a second as JSON. So many are in flight that about two MiB are under way, but never more than 100.
 */
import { WARM_UP_MS } from './load.mjs';

const UNDER_WAY_BYTES = 2 ** 21;
const MAX_IN_FLIGHT = 100;
const SIZES = { '1KiB': 2 ** 10, '64KiB': 2 ** 16, '1MiB': 2 ** 20, '8MiB': 2 ** 23 };
const RECORD = { id: 4711, name: 'a record of a hundred bytes', tags: ['one', 'two'], at: '2026-01-01T00:00:00Z', ok: true };
const RECORD_BYTES = JSON.stringify(RECORD).length + 1;

const SHAPES = {
  text: { make: (size) => 'x'.repeat(size), isSame: (sent, got) => got === sent },
  objects: {
    make: (size) => Array.from({ length: Math.max(1, Math.round(size / RECORD_BYTES)) }, (_, id) => ({ ...RECORD, id })),
    isSame: (sent, got) => Array.isArray(got) && got.length === sent.length && got.at(-1).id === sent.at(-1).id && got.at(-1).at === RECORD.at,
  },
  bytes: {
    make: (size) => new Uint8Array(size).fill(7),
    isSame: (sent, got) => got instanceof Uint8Array && Buffer.compare(got, sent) === 0,
  },
};

const [subject, ms] = process.argv.slice(2);
const phaseMs = Number(ms);
const { open } = await import(`../subjects/${subject}.mjs`);
const { call, close } = await open();

/** At least one round trip of each lane, however long it takes. */
async function perSecond(payload, { isSame }, lanes, durationMs) {
  const start = performance.now();
  let answered = 0;
  const lane = async () => {
    do {
      const got = await call(payload);
      if (!isSame(payload, got)) throw new Error(`${subject} answered something else`);
      answered++;
    } while (performance.now() - start < durationMs);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (answered / (performance.now() - start)) * 1000;
}

const measured = {};
for (const [name, shape] of Object.entries(SHAPES)) {
  // JSON has no bytes: what it makes of them is another payload.
  const sample = shape.make(SIZES['1KiB']);
  if (!shape.isSame(sample, await call(sample))) continue;
  await perSecond(sample, shape, MAX_IN_FLIGHT, WARM_UP_MS);
  for (const [title, size] of Object.entries(SIZES)) {
    const payload = shape.make(size);
    const lanes = Math.min(MAX_IN_FLIGHT, Math.max(1, Math.floor(UNDER_WAY_BYTES / size)));
    await perSecond(payload, shape, lanes, phaseMs / 2);
    measured[`${name}-${title}`] = await perSecond(payload, shape, lanes, phaseMs);
  }
}
await close();
process.stdout.write(JSON.stringify(measured));
process.exit(0);
