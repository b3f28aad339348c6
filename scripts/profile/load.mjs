/**
 * Profiles one kind of load, in the supervisor and in the child: `node load.mjs LOAD MS FOLDER`. Writes `LOAD-host.cpuprofile` and
 * `LOAD-child.cpuprofile` there, and prints what a call came to as JSON. Plain JavaScript on the built package, so that the profile shows
 * what users run. The profiler itself takes part in what it measures.
 */
import { writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../dist/src/index.js';

const INTERVAL_US = 100;
const WARM_UP_MS = 1_000;
const IN_FLIGHT = 100;
/** Refused at once, in bursts as they come with overload. */
const BURST = 50;
const FILL = 2;

const [load, ms, folder] = process.argv.slice(2);
const supervisor = await createSupervisor({ defaults: load === 'refusals' ? { concurrency: FILL, maxQueue: 1 } : {} });
await supervisor.load(fileURLToPath(new URL('plugin', import.meta.url)));
const method = (name, ...args) => supervisor.call('profiled', name, args);
let calls = 0;

const loads = {
  async sequential(end) {
    for (; performance.now() < end; calls++) await method('echo', 'hello');
  },
  async concurrent(end) {
    const lane = async () => {
      for (; performance.now() < end; calls++) await method('echo', 'hello');
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  },
  async refusals(end) {
    const fill = Array.from({ length: FILL + 1 }, () => method('wait', end - performance.now()));
    while (performance.now() < end) {
      const refused = await Promise.allSettled(Array.from({ length: BURST }, () => method('echo', 'hello')));
      calls += refused.filter(({ status }) => status === 'rejected').length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(fill);
  },
};

await loads[load](performance.now() + WARM_UP_MS);
calls = 0;
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
await method('start', INTERVAL_US);
await session.post('Profiler.start');
const before = process.cpuUsage();
await loads[load](performance.now() + Number(ms));
const { user, system } = process.cpuUsage(before);
const { profile } = await session.post('Profiler.stop');
await writeFile(join(folder, `${load}-host.cpuprofile`), JSON.stringify(profile));
await method('stop', join(folder, `${load}-child.cpuprofile`));
await supervisor.close();
process.stdout.write(JSON.stringify({ calls, hostUs: (user + system) / calls }));
