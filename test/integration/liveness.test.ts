/** Hung, slow and held up are told apart: who is killed for silence, who is not, and what is said of either. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, stat } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { PluginCrashedError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { testWith } from '../helpers/parts.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

test('a loop that is blocked for 2.5 s and recovers is not killed, and its delay explains what callers saw', async () => {
  const watched = await supervise.fixture('worker');
  const { supervisor } = watched;
  const check = await Invariants.begin(watched, 'under load');
  const { pid } = supervisor.status('worker');
  const delayMs = (): number => supervisor.status('worker').versions[0]!.instances[0]!.eventLoopDelayMs ?? 0;
  let worst = 0;
  const blocked = supervisor.call('worker', 'block', [2_500]);
  const behind = supervisor.call('worker', 'pid');
  expect(await blocked).toBe(pid);
  expect(await behind).toBe(pid);
  await until('the delay is in the status', () => (worst = Math.max(worst, delayMs())) > 1_000, 5_000);
  expect(worst).toBeGreaterThan(1_000);
  expect(supervisor.status('worker')).toMatchObject({ pid, restarts: 0 });
  // Reported is the worst since the ping before, so that it goes as it came.
  await until('the delay has passed', () => delayMs() < 500, 5_000);
  await check.end({ faults: 0 });
});

test('a plugin that only has much to do answers its pings, however long that goes on', async () => {
  const watched = await supervise.fixture('worker', { liveness: { intervalMs: 50, timeoutMs: 400 } });
  const { supervisor } = watched;
  const check = await Invariants.begin(watched);
  const { pid } = supervisor.status('worker');
  const begun = performance.now();
  // Slices of 20 ms without a pause between them: each is a call, and pings come in between.
  const pids = await Promise.all(Array.from({ length: 90 }, () => supervisor.call('worker', 'block', [20])));
  expect(performance.now() - begun).toBeGreaterThan(1_700);
  expect(new Set(pids)).toEqual(new Set([pid]));
  await check.end({ faults: 0 });
});

test('time in which the supervisor itself stood still is not held against its children', async () => {
  const watched = await supervise.fixture('worker', { liveness: { intervalMs: 100, timeoutMs: 600 } });
  const { supervisor } = watched;
  const { pid } = supervisor.status('worker');
  for (let round = 0; round < 3; round++) {
    const pinged = performance.now() + 150;
    await until('a ping is under way', () => performance.now() > pinged);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
    expect(await supervisor.call('worker', 'pid')).toBe(pid);
  }
  expect(watched.events.filter(({ kind }) => kind === 'instance-crashed')).toEqual([]);
});

test.each(['setImmediate', 'an I/O callback'] as const)(
  'an answer that waits in the pipe while our own loop is blocked from %s is read before the verdict',
  async (from) => {
    const { supervisor, events } = await supervise.fixture('worker', { liveness: { intervalMs: 20, timeoutMs: 100 } });
    const { pid } = supervisor.status('worker');
    for (let round = 0; round < 40; round++) {
      // Anywhere between two pings.
      await new Promise((resolve) => setTimeout(resolve, round % 20));
      await new Promise<void>((resolve) => {
        const block = (): void => {
          const end = performance.now() + 105 + round;
          while (performance.now() < end);
          resolve();
        };
        if (from === 'setImmediate') setImmediate(block);
        else stat(import.meta.filename, block);
      });
    }
    expect(await supervisor.call('worker', 'pid')).toBe(pid);
    expect(events.filter(({ kind }) => kind === 'instance-crashed')).toEqual([]);
  },
);

testWith('processor times of other processes', existsSync('/proc/self/schedstat'))(
  'honest work that keeps its loop busy is not killed because the machine is busy, and a loop without end is',
  async () => {
    const liveness = { intervalMs: 100, timeoutMs: 500 };
    const { supervisor } = await supervise.fixture('worker', { liveness });
    const { pid } = supervisor.status('worker');
    // Linux shares processors between sessions: in one session, all burners together would take no more than the plugin does.
    const burn = () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore', detached: true });
    const burners = Array.from({ length: 6 * availableParallelism() }, burn);
    onTestFinished(() => burners.forEach((burner) => burner.kill('SIGKILL')));
    // Until, by the clock, it was silent for long enough to be killed: the burners need a moment to start.
    for (let tookMs = 0; tookMs <= liveness.intervalMs + liveness.timeoutMs;) {
      const begun = performance.now();
      expect(await supervisor.call('worker', 'compute', [250], { timeoutMs: 60_000 })).toBe(pid);
      tookMs = performance.now() - begun;
    }
    const hung = await rejection<PluginCrashedError>(supervisor.call('worker', 'block', [600_000], { timeoutMs: 60_000 }));
    expect(hung.exit.cause).toBe('unresponsive');
  },
  60_000,
);

test('a supervisor that was stopped with SIGSTOP, as a laptop that sleeps, goes on with the children that it had', async () => {
  const program = `
    import { createSupervisor } from ${JSON.stringify(pathToFileURL(join(fixtures, '../../../dist/src/index.js')).href)};
    const supervisor = await createSupervisor({ strictModes: false, defaults: { liveness: { intervalMs: 100, timeoutMs: 600 } } });
    const crashes = [];
    supervisor.on('instance-crashed', ({ exit }) => crashes.push(exit.cause));
    await supervisor.load(${JSON.stringify(join(fixtures, 'worker'))});
    const before = await supervisor.call('worker', 'pid');
    console.log('asleep');
    process.once('SIGUSR2', async () => {
      const after = await supervisor.call('worker', 'pid');
      console.log(JSON.stringify({ same: before === after, crashes }));
      await supervisor.close();
      process.exit();
    });
    setInterval(() => {}, 1000);`;
  const host = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void host.kill('SIGKILL'));
  const lines = createInterface({ input: host.stdout })[Symbol.asyncIterator]();
  expect(await lines.next()).toMatchObject({ value: 'asleep' });
  host.kill('SIGSTOP');
  const wake = performance.now() + 2_000;
  await until('two seconds have passed', () => performance.now() > wake);
  host.kill('SIGCONT');
  const judged = performance.now() + 1_500;
  await until('it has had time to judge', () => performance.now() > judged);
  host.kill('SIGUSR2');
  const { value } = await lines.next();
  expect(JSON.parse(value as string)).toEqual({ same: true, crashes: [] });
  await once(host, 'exit');
});

test('a hang that is killed names the call that was running, in the error and in the event', async () => {
  const watched = await supervise.fixture('worker', { liveness: { intervalMs: 100, timeoutMs: 400 } });
  const { supervisor } = watched;
  const check = await Invariants.begin(watched, 'under load');
  const crashed = once(supervisor, 'instance-crashed');
  const hung = await rejection<PluginCrashedError>(supervisor.call('worker', 'block', [60_000]));
  const [{ exit }] = (await crashed) as [{ exit: PluginCrashedError['exit'] }];
  const named = /^no sign of life for \d+ ms, running block \(call \d+\)$/;
  expect(hung.message).toContain('running block');
  for (const facts of [hung.exit, exit])
    expect(facts).toMatchObject({ cause: 'unresponsive', detail: expect.stringMatching(named), inFlight: [{ method: 'block' }] });
  await check.end({ faults: 1 });
});

test('a plugin that has used up its own descriptors answers pings and calls all the same', async () => {
  const nodePath = join(await supervise.tempDir(), 'node');
  await writeFile(nodePath, `#!/bin/sh\nulimit -n 64\nexec '${process.execPath}' "$@"\n`, { mode: 0o755 });
  const { supervisor, events } = await supervise.fixture('hoard', { nodePath, liveness: { intervalMs: 50, timeoutMs: 1_000 } });
  const { pid } = supervisor.status('hoard');
  expect(await supervisor.call('hoard', 'files', [1_000])).toBeLessThan(64);
  const instance = () => supervisor.status('hoard').versions[0]!.instances[0]!;
  const before = instance().cpuMs ?? 0;
  await until('it was pinged a few times', async () => {
    for (let i = 0; i < 100; i++) await supervisor.call('hoard', 'echo', [i]);
    return (instance().cpuMs ?? 0) > before + 50;
  });
  expect(supervisor.status('hoard')).toMatchObject({ pid, restarts: 0 });
  expect(events.filter(({ kind }) => kind === 'instance-crashed')).toEqual([]);
});
