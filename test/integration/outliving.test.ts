/** Processes that a plugin starts without its environment, in a session of their own: nothing about them tells whose they are. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createSupervisor } from '../../src/index.ts';
import { hasCgroups } from '../helpers/cgroups.ts';
import { inPidNamespace, testInPidNamespace, WITHOUT_CGROUPS } from '../helpers/pid-namespace.ts';
import { allGone, isAlive } from '../helpers/processes.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const GONE_MS = 6_000;
// Elsewhere there is no /proc to find such a process in.
const onLinux = process.platform === 'linux' ? test : test.skip;
// Needs the right to make a cgroup; the last test of this file covers machines without it.
const withCgroups = hasCgroups ? test : test.skip;
/** A daemon whose parent has ended before anybody could look is found in its cgroup alone. */
const WAYS = hasCgroups ? ['withoutEnvironment', 'daemonWithoutEnvironment'] : ['withoutEnvironment'];
const spawner = join(fixtures, 'spawner');

async function spawned(): Promise<{ watched: Awaited<ReturnType<typeof supervise.fixture>>; pids: number[] }> {
  const watched = await supervise.fixture('spawner', { liveness: { intervalMs: 50, timeoutMs: 3_000 } });
  const pids = (await Promise.all(WAYS.map((way) => watched.supervisor.call('spawner', way)))) as number[];
  expect(pids.every(isAlive)).toBe(true);
  return { watched, pids };
}

onLinux('a process without our environment ends when its plugin is unloaded', async () => {
  const { watched, pids } = await spawned();
  await watched.supervisor.unload('spawner');
  await allGone(pids, performance.now(), GONE_MS);
});

onLinux('a process without our environment ends when its plugin is reloaded', async () => {
  const { watched, pids } = await spawned();
  await watched.supervisor.reload('spawner');
  await allGone(pids, performance.now(), GONE_MS);
});

onLinux('a process without our environment ends when the supervisor is closed', async () => {
  const { watched, pids } = await spawned();
  await watched.supervisor.close();
  await allGone(pids, performance.now(), GONE_MS);
});

onLinux('a process without our environment ends when its plugin crashes', async () => {
  const { watched, pids } = await spawned();
  // Where they are not in a cgroup they are noted at the next tick.
  await new Promise((resolve) => setTimeout(resolve, 500));
  process.kill(watched.supervisor.status('spawner').pid!, 'SIGKILL');
  await once(watched.supervisor, 'instance-ready');
  await allGone(pids, performance.now(), GONE_MS);
});

/** A supervisor in a process of its own that is killed with SIGKILL; resolves with the pids that its plugin has started. */
async function abandoned(ways: readonly string[], dir: string, call: string): Promise<number[]> {
  const program = `
    import { createSupervisor } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../dist/src/index.js')).href)};
    const supervisor = await createSupervisor({ strictModes: false, logger: { debug() {}, info() {}, warn() {}, error() {} } });
    await supervisor.load(${JSON.stringify(dir)});
    for (const way of ${JSON.stringify(ways)}) console.log(await supervisor.call('spawner', way));
    ${call}
    console.log('done');
    setInterval(() => {}, 1000);`;
  const host = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void host.kill('SIGKILL'));
  const pids: number[] = [];
  for await (const line of createInterface({ input: host.stdout })) {
    if (line === 'done') break;
    pids.push(Number(line));
  }
  const ended = once(host, 'exit');
  host.kill('SIGKILL');
  await ended;
  return pids;
}

onLinux('a process without our environment ends when the supervisor is killed with SIGKILL', async () => {
  await allGone(await abandoned(WAYS, spawner, ''), performance.now(), GONE_MS);
});

withCgroups('a process without our environment is ended by the next supervisor when its own was killed and its plugin spins', async () => {
  const dir = await putFiles(await supervise.tempDir(), {
    'package.json': JSON.stringify({ name: 'spawner', version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': `import spawner from ${JSON.stringify(pathToFileURL(join(spawner, 'index.js')).href)};
      export default { methods: { ...spawner.methods, spin() { for (;;); } } };`,
  });
  const pids = await abandoned(
    WAYS,
    dir,
    "supervisor.call('spawner', 'spin').catch(() => {}); await new Promise((resolve) => setTimeout(resolve, 300));",
  );
  expect(pids.every(isAlive)).toBe(true);
  await using next = await createSupervisor({ strictModes: false, logger: { debug() {}, info() {}, warn() {}, error() {} } });
  expect(next.status().state).toBe('running');
  await allGone(pids, performance.now(), GONE_MS);
});

testInPidNamespace(
  'where no cgroup can be made a process without our environment is noted while its plugin lives, and ends with it',
  { timeout: 60_000 },
  async () => {
    const said = await inPidNamespace(
      `
    const supervisor = await createSupervisor({ strictModes: false, logger: { debug() {}, info() {}, warn() {}, error() {} }, defaults: { liveness: { intervalMs: 50, timeoutMs: 3000 } } });
    for (const end of ['unload', 'reload', 'crash']) {
      await supervisor.load(${JSON.stringify(spawner)});
      const pid = await supervisor.call('spawner', 'withoutEnvironment');
      if (end === 'unload') await supervisor.unload('spawner');
      if (end === 'reload') await supervisor.reload('spawner');
      if (end === 'crash') {
        await pause(500);
        const again = once(supervisor, 'instance-ready');
        process.kill(supervisor.status('spawner').pid, 'SIGKILL');
        await again;
      }
      await Promise.race([until(() => !isAlive(pid)), pause(6000)]);
      say(isAlive(pid));
      if (end !== 'unload') await supervisor.unload('spawner');
    }
    process.exit();`,
      WITHOUT_CGROUPS,
    );
    expect(said).toEqual([false, false, false]);
  },
);
