/** The same of two bare forks whose callers share one event loop: `node neighbour-fork.mjs - MS`. */
import { open } from '../subjects/fork.mjs';
import { closedLoopFor, WARM_UP_MS } from './load.mjs';
import { beside } from './quiet.mjs';

const IN_FLIGHT = 100;
const TEXT = 'hello';

const [quiet, busy] = await Promise.all([open(), open()]);
const calls = [quiet, busy].map(
  ({ call }) =>
    () =>
      call(TEXT),
);
for (const call of calls) await closedLoopFor(WARM_UP_MS, IN_FLIGHT, call);
const measured = await beside({ 'fork-alone': null, 'fork-loop-full': [IN_FLIGHT, calls[1]] }, calls[0], Number(process.argv[3]));
await Promise.all([quiet.close(), busy.close()]);
process.stdout.write(JSON.stringify(measured));
process.exit(0);
