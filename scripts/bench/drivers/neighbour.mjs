/**
 * What other plugins' load costs the calls of a quiet one: `node neighbour.mjs - MS`, `MS` for each subject.
 * Prints the latencies of its calls as JSON.
 */
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';
import { closedLoopFor, WARM_UP_MS } from './load.mjs';
import { beside } from './quiet.mjs';

const CONCURRENCY = 20;
/** Twice its slots: as many wait as run. */
const FULL = 2 * CONCURRENCY;
const IN_FLIGHT = 100;
const TEXT = 'hello';
const within = (path) => fileURLToPath(new URL(`../plugins/${path}`, import.meta.url));

const supervisor = await createSupervisor({ plugins: { work: { concurrency: CONCURRENCY } } });
for (const plugin of ['echo-commonjs', 'work', 'echo']) await supervisor.load(within(plugin));
const quiet = () => supervisor.call('echo-commonjs', 'echo', [TEXT]);
const work = () => supervisor.call('work', 'work', [TEXT]);
const echo = () => supervisor.call('echo', 'echo', [TEXT]);
const loads = { alone: null, 'slots-full': [FULL, work], 'loop-full': [IN_FLIGHT, echo] };

for (const call of [quiet, work, echo]) await closedLoopFor(WARM_UP_MS, FULL, call);
const measured = await beside(loads, quiet, Number(process.argv[3]));
await supervisor.close();
process.stdout.write(JSON.stringify(measured));
process.exit(0);
