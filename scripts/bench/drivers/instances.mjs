/** Calls that compute, spread over the instances of one plugin: `node instances.mjs COUNT MS`. Prints how many were answered a second as JSON. */
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';
import { closedLoopFor, WARM_UP_MS } from './load.mjs';

const IN_FLIGHT = 20;
const [count, ms] = process.argv.slice(2).map(Number);
const supervisor = await createSupervisor({ defaults: { instances: count } });
await supervisor.load(fileURLToPath(new URL('../plugins/compute', import.meta.url)));
const digest = () => supervisor.call('compute', 'digest', ['hello']);
await closedLoopFor(Math.max(ms, WARM_UP_MS), IN_FLIGHT, digest);
const perSecond = await closedLoopFor(ms, IN_FLIGHT, digest);
await supervisor.close();
process.stdout.write(JSON.stringify({ perSecond }));
process.exit(0);
