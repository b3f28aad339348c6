/** Faults F09 and F10: processes that are meant to outlive their plugin, and plugins that are meant to outlive their supervisor. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { createSupervisor } from '../../src/index.ts';
import type { Load } from '../helpers/invariants.ts';
import { allGone, isAlive } from '../helpers/processes.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rounds } from '../helpers/rounds.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const WAYS = ['plain', 'detached', 'doubleFork', 'holdingPipes', 'stubborn'];
const GONE_MS = 2_000;

rounds(
  'F09 of the processes that a plugin started, plain, detached, in a session of their own, holding its pipes, none is left after it was killed, after it hung, and after it was stopped, which does not wait for their pipes',
  async ({ begin, random }) => {
    // One spawn blocks its event loop until the new process has had a processor: some 400 ms on a busy machine.
    const watched = await supervise.fixture('spawner', { liveness: { intervalMs: 100, timeoutMs: 800 } });
    const { supervisor } = watched;
    const check = await begin(watched);
    const spawned = async (): Promise<number[]> => {
      const pids = (await Promise.all(random.shuffled(WAYS).map((way) => supervisor.call('spawner', way)))) as number[];
      expect(pids.every(isAlive)).toBe(true);
      await random.moment(0, 100);
      return pids;
    };
    for (const signal of random.shuffled(['SIGKILL', 'SIGSTOP'] as const)) {
      const pids = await spawned();
      const ready = once(supervisor, 'instance-ready');
      const at = performance.now();
      process.kill(supervisor.status('spawner').pid!, signal);
      await ready;
      expect(await allGone(pids, at, 6_000), signal).toBeLessThan(GONE_MS);
    }
    const pids = await spawned();
    const at = performance.now();
    await supervisor.unload('spawner');
    // A child that has nothing to free ends at once; waiting for `close` would take as long as the sleepers sleep.
    expect(await allGone(pids, at, 6_000), 'stopped').toBeLessThan(1_500);
    await check.end({ faults: 3, kinds: ['instance-crashed', 'instance-stopped'], instances: { spawner: 0 } });
  },
);

interface Elsewhere {
  /** Of its plugins' children, and of what those started. */
  pids: number[];
  /** The one that never comes to look at its channel. */
  spinning: number;
  /** Kills it with SIGKILL; resolves when it is dead. */
  kill(): Promise<unknown>;
}

/**
 * A supervisor in a process of its own, from the build as it is shipped, with a call under way in each plugin. Its parent never reaps it,
 * like the first process of many a container, so that once killed it stays as a zombie until the test is over.
 */
async function elsewhere(load: Load): Promise<Elsewhere> {
  const folder = await supervise.tempDir();
  for (const name of ['idle', 'sleeps', 'computes', 'spins']) await putFixture(folder, 'busy', { name });
  const program = `
    import { createSupervisor } from ${JSON.stringify(pathToFileURL(join(fixtures, '../../../dist/src/index.js')).href)};
    const supervisor = await createSupervisor({ pluginDir: ${JSON.stringify(folder)} });
    await supervisor.load(${JSON.stringify(join(fixtures, 'spawner'))});
    await supervisor.load(${JSON.stringify(join(fixtures, 'bystander'))});
    const say = (line) => console.log(line);
    for (const name of ['spins', 'idle', 'sleeps', 'computes']) {
      say(supervisor.status(name).pid);
      supervisor.call(name, name).catch(() => {});
    }
    for (const way of ['detached', 'doubleFork']) say(await supervisor.call('spawner', way));
    say(supervisor.status('spawner').pid);
    const calls = ${load === 'idle' ? 0 : 10};
    setInterval(() => { for (let i = 0; i < calls; i++) supervisor.call('bystander', 'echo', [i]); }, 20);
    setTimeout(say, 50, 'begun');
  `;
  const script = '"$0" --input-type=module -e "$1" & echo $!; exec sleep 60';
  const parent = spawn('sh', ['-c', script, process.execPath, program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const pids: number[] = [];
  for await (const line of createInterface({ input: parent.stdout })) {
    if (line === 'begun') break;
    pids.push(Number(line));
  }
  const [own, spinning] = pids.splice(0, 2) as [number, number];
  onTestFinished(() => void (isAlive(own) && process.kill(own, 'SIGKILL')));
  const kill = (): Promise<unknown> => {
    process.kill(own, 'SIGKILL');
    return allGone([own], performance.now(), 5_000);
  };
  return { pids, spinning, kill };
}

rounds(
  'F10 when the supervisor itself is killed with SIGKILL its children that idle, sleep or compute end by themselves within 2 s, with what they started, and one that spins is swept by the next supervisor to start; a neighbour is not touched',
  async ({ begin, load, random }) => {
    const watched = await supervise();
    const check = await begin(watched);
    const supervisor = await elsewhere(load);
    expect([...supervisor.pids, supervisor.spinning].every(isAlive)).toBe(true);
    await random.moment(0, 200);
    const at = performance.now();
    await supervisor.kill();
    expect(await allGone(supervisor.pids, at, 6_000)).toBeLessThan(GONE_MS);
    {
      const since = performance.now();
      await using next = await createSupervisor({});
      expect(next.status().state).toBe('running');
      await allGone([supervisor.spinning], since, GONE_MS);
    }
    await check.end({ faults: 0 });
  },
);
