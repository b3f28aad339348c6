/** Faults F09 and F10: processes that are meant to outlive their plugin, and plugins that are meant to outlive their supervisor. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSupervisor } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { allGone, isAlive } from '../helpers/processes.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const WAYS = ['plain', 'detached', 'doubleFork', 'holdingPipes', 'stubborn'];

describe('F09 of the processes that a plugin started, plain, detached, in a session of their own, holding its pipes, none is left', () => {
  test('after it was stopped; and stopping does not wait for the pipes that they hold', async () => {
    const watched = await supervise.fixture('spawner');
    const { supervisor } = watched;
    const check = await Invariants.begin(watched);
    const pids = (await Promise.all(WAYS.map((way) => supervisor.call('spawner', way)))) as number[];
    expect(pids.every(isAlive)).toBe(true);
    const at = performance.now();
    await supervisor.unload('spawner');
    // A child that has nothing to free ends at once; waiting for `close` would take as long as the sleepers sleep.
    expect(await allGone(pids, at, 2_000)).toBeLessThan(1_500);
    await check.end({ faults: 1, kinds: ['instance-stopped'], instances: { spawner: 0 } });
  });

  test.each(['idle', 'under load'] as const)('after it was killed, %s', async (load) => {
    const watched = await supervise.fixture('spawner');
    const { supervisor } = watched;
    const check = await Invariants.begin(watched, load);
    const pids = (await Promise.all(WAYS.map((way) => supervisor.call('spawner', way)))) as number[];
    const ready = once(supervisor, 'instance-ready');
    const at = performance.now();
    process.kill(supervisor.status('spawner').pid!, 'SIGKILL');
    await ready;
    expect(await allGone(pids, at, 6_000)).toBeLessThan(2_000);
    await check.end({ faults: 1 });
  });

  test('after it stopped reacting', async () => {
    const watched = await supervise.fixture('spawner', { liveness: { intervalMs: 100, timeoutMs: 300 } });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched);
    const pids = (await Promise.all(WAYS.map((way) => supervisor.call('spawner', way)))) as number[];
    process.kill(supervisor.status('spawner').pid!, 'SIGSTOP');
    await once(supervisor, 'instance-ready');
    expect(await allGone(pids, performance.now(), 6_000)).toBeLessThan(2_000);
    await check.end({ faults: 1 });
  });
});

interface Elsewhere {
  /** Of its plugin's child, and of what that started. */
  pids: number[];
  /** Kills it with SIGKILL; resolves when it is dead. */
  kill(): Promise<unknown>;
}

/**
 * A supervisor in a process of its own, from the build as it is shipped, with one call under way. Its parent never reaps it,
 * like the first process of many a container, so that once killed it stays as a zombie until the test is over.
 */
async function elsewhere(plugin: string, method: string): Promise<Elsewhere> {
  const program = `
    import { createSupervisor } from ${JSON.stringify(pathToFileURL(join(fixtures, '../../../dist/src/index.js')).href)};
    const supervisor = await createSupervisor({});
    await supervisor.load(${JSON.stringify(join(fixtures, plugin))});
    const result = supervisor.call('${plugin}', '${method}').catch(() => {});
    console.log(supervisor.status('${plugin}').pid);
    if ('${plugin}' === 'spawner') console.log(await result);
    setTimeout(() => console.log('begun'), 50);
  `;
  const script = '"$0" --input-type=module -e "$1" & echo $!; exec sleep 60';
  const parent = spawn('sh', ['-c', script, process.execPath, program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const pids: number[] = [];
  for await (const line of createInterface({ input: parent.stdout })) {
    if (line === 'begun') break;
    pids.push(Number(line));
  }
  const own = pids.shift()!;
  onTestFinished(() => void (isAlive(own) && process.kill(own, 'SIGKILL')));
  const kill = (): Promise<unknown> => {
    process.kill(own, 'SIGKILL');
    return allGone([own], performance.now(), 5_000);
  };
  return { pids, kill };
}

describe('F10 when the supervisor itself is killed with SIGKILL', () => {
  test.each([
    ['that idles', 'busy', 'idle'],
    ['that sleeps', 'busy', 'sleeps'],
    ['that computes in short slices', 'busy', 'computes'],
    ['and what it started, detached', 'spawner', 'detached'],
    ['and what it started as a daemon', 'spawner', 'doubleFork'],
  ])('a child %s ends by itself within 2 s', async (_, plugin, method) => {
    const supervisor = await elsewhere(plugin, method);
    expect(supervisor.pids.every(isAlive)).toBe(true);
    const at = performance.now();
    await supervisor.kill();
    expect(await allGone(supervisor.pids, at, 5_000)).toBeLessThan(2_000);
  });

  test('a child that spins is swept by the next supervisor to start', async () => {
    const supervisor = await elsewhere('busy', 'spins');
    const at = performance.now();
    await supervisor.kill();
    await using next = await createSupervisor({});
    expect(next.status().state).toBe('running');
    await allGone(supervisor.pids, at, 2_000);
  });
});
