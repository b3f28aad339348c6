/**
 * What answers of 8 MiB cost the small ones of the same child: `node beside.mjs - MS`, `MS` for each subject, in turns of two windows.
 * One large answer after the other is under way, while a small call is made every few milliseconds. Prints how long
 * small ones took there and back, and how long from the child's answer to the caller, as JSON.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';
import { closedLoop, percentile } from './load.mjs';

const TURNS = 2;
const ENCODINGS = 5;
const SHAPES = ['text', 'bytes', 'objects'];

const windowMs = Number(process.argv[3]) / TURNS;
const supervisor = await createSupervisor();
await supervisor.load(fileURLToPath(new URL('../plugins/large', import.meta.url)));
/** The same for all processes of a machine. */
const clockMs = () => Number(process.hrtime.bigint()) / 1e6;
const call = (method, ...args) => supervisor.call('large', method, args);

async function smallCalls() {
  const back = [];
  const round = [];
  for (const end = performance.now() + windowMs; performance.now() < end;) {
    await pause(1 + (back.length % 3));
    const from = clockMs();
    const answeredAt = await call('small');
    const to = clockMs();
    back.push(to - answeredAt);
    round.push(to - from);
  }
  return { back, round };
}

for (const shape of SHAPES) for (let i = 0; i < 3; i++) await call('large', shape);
const measured = Object.fromEntries(['alone', ...SHAPES].map((subject) => [subject, { back: [], round: [], answered: 0 }]));
for (let turn = 0; turn < TURNS; turn++) {
  for (const [subject, figures] of Object.entries(measured)) {
    const large = subject === 'alone' ? null : closedLoop(1, () => call('large', subject));
    const { back, round } = await smallCalls();
    figures.back.push(...back);
    figures.round.push(...round);
    figures.answered += (await large?.stop()) ?? 0;
  }
}
for (const shape of SHAPES) {
  const encodings = [];
  for (let i = 0; i < ENCODINGS; i++) encodings.push(await call('encodeMs', shape));
  measured[shape].encodeMs = percentile(encodings, 0.5);
}
await supervisor.close();
const figuresOf = (name, values) => ({
  [`${name}P50Ms`]: percentile(values, 0.5),
  [`${name}P99Ms`]: percentile(values, 0.99),
  [`${name}MaxMs`]: Math.max(...values),
});
const report = ({ back, round, answered, encodeMs }) => ({
  ...figuresOf('back', back),
  ...figuresOf('round', round),
  ...(encodeMs !== undefined && { encodeMs, perSecond: (answered / (windowMs * TURNS)) * 1000 }),
});
process.stdout.write(JSON.stringify(Object.fromEntries(Object.entries(measured).map(([subject, figures]) => [subject, report(figures)]))));
process.exit(0);
