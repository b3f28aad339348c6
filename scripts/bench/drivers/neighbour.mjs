/**
 * What other plugins' load costs the calls of a quiet one: `node neighbour.mjs - MS`, `MS` for each subject, in turns of a few windows.
 * The quiet plugin is called once every few milliseconds. Prints the latencies of its calls as JSON.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';
import { closedLoop, closedLoopFor, percentile, WARM_UP_MS } from './load.mjs';

const TURNS = 4;
const CONCURRENCY = 20;
/** Twice its slots: as many wait as run. */
const FULL = 2 * CONCURRENCY;
const IN_FLIGHT = 100;
const TEXT = 'hello';
const within = (path) => fileURLToPath(new URL(`../plugins/${path}`, import.meta.url));

const windowMs = Number(process.argv[3]) / TURNS;
const supervisor = await createSupervisor({ plugins: { work: { concurrency: CONCURRENCY } } });
for (const plugin of ['echo-commonjs', 'work', 'echo']) await supervisor.load(within(plugin));
const quiet = () => supervisor.call('echo-commonjs', 'echo', [TEXT]);
const work = () => supervisor.call('work', 'work', [TEXT]);
const echo = () => supervisor.call('echo', 'echo', [TEXT]);
const loads = { alone: null, 'slots-full': [FULL, work], 'loop-full': [IN_FLIGHT, echo] };

async function latencies() {
  const all = [];
  for (const end = performance.now() + windowMs; performance.now() < end;) {
    await pause(1 + (all.length % 3));
    const from = performance.now();
    await quiet();
    all.push(performance.now() - from);
  }
  return all;
}

for (const call of [quiet, work, echo]) await closedLoopFor(WARM_UP_MS, FULL, call);
const measured = Object.fromEntries(Object.keys(loads).map((subject) => [subject, []]));
for (let turn = 0; turn < TURNS; turn++) {
  for (const [subject, load] of Object.entries(loads)) {
    const neighbour = load === null ? null : closedLoop(...load);
    measured[subject].push(...(await latencies()));
    await neighbour?.stop();
  }
}
await supervisor.close();
const report = (values) => ({ p50Us: percentile(values, 0.5) * 1000, p99Us: percentile(values, 0.99) * 1000 });
process.stdout.write(JSON.stringify(Object.fromEntries(Object.entries(measured).map(([subject, values]) => [subject, report(values)]))));
process.exit(0);
