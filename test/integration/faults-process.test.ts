/** Faults F01 to F08: a child that dies, does not start, or stops. */
import { once } from 'node:events';
import { chmod, cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PluginCrashedError, PluginOptions, StartFailedError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { Ledger } from '../helpers/ledger.ts';
import { allGone } from '../helpers/processes.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { fixtures, ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { EARLY_MS } from '../helpers/timers.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
/** Callers are told 100 ms after the exit; these count from the signal, and the system takes a moment to end a process. */
const TOLD_MS = 100 + 150;
const READY_MS = 1_000;

/** A plugin folder of its own that holds this fixture. */
async function folderOf(name: string): Promise<string> {
  const folder = await supervise.tempDir();
  await cp(join(fixtures, name), join(folder, name), { recursive: true });
  return folder;
}

rounds('F01 a SIGKILL with 8 in flight and 50 queued fails the 8 as maybe executed, and the 50 succeed on the next instance', async (round) => {
  const { random } = round;
  const ledger = await Ledger.begin(supervise, 'ledger', { concurrency: 8 }, random.stream());
  const { supervisor } = ledger.watched;
  const check = await round.begin(ledger);
  const running = ledger.calls(8, 'once', 60_000, 5_000);
  const queued = ledger.calls(50, 'once', random.below(10), 5_000);
  await until('8 are in the plugin', () => ledger.begun() === 8);
  expect(supervisor.status('ledger')).toMatchObject({ inFlight: 8, queued: 50 });

  await random.moment(0, 50);
  const ready = once(supervisor, 'instance-ready').then(() => performance.now());
  const { pid } = supervisor.status('ledger');
  const killedAt = performance.now();
  process.kill(pid!, 'SIGKILL');
  for (const { error, at } of await running) {
    expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true, retryable: true });
    expect((error as PluginCrashedError).exit).toMatchObject({ pid, code: null, signal: 'SIGKILL', cause: 'signal' });
    expect(at - killedAt, 'callers are told').toBeLessThan(TOLD_MS);
  }
  expect((await ready) - killedAt, 'ready again').toBeLessThan(READY_MS);
  for (const { error } of await queued) expect(error).toBeNull();
  await check.end({ faults: 1 });
  expect(check.events('instance-crashed')[0]!.exit.inFlight).toHaveLength(8);
  expect(supervisor.status('ledger').restarts).toBe(1);
});

rounds('F01 a SIGKILL amid idempotent calls runs them again, so that every caller has its result', async (round) => {
  const { random } = round;
  const retry = { attempts: 3, backoffMs: 10, budgetRatio: 1 };
  const ledger = await Ledger.begin(supervise, 'ledger', { concurrency: 8, retry }, random.stream());
  const check = await round.begin(ledger);
  void ledger.calls(8, 'again', random.between(150, 300), 5_000);
  void ledger.calls(50, 'again', random.below(10), 5_000);
  await until('8 are in the plugin', () => ledger.begun() === 8);
  await random.moment(0, 50);
  process.kill(ledger.watched.supervisor.status('ledger').pid!, 'SIGKILL');
  const settled = await ledger.verify();
  expect(settled.map(({ error }) => error)).toEqual(settled.map(() => null));
  expect(settled.filter(({ result }) => String(result).split(' ')[1] === '2')).toHaveLength(8);
  await check.end({ faults: 1 });
});

rounds('F02 process.exit(0) during a call is a crash all the same, and the error says exit code 0', async (round) => {
  const { random } = round;
  const ledger = await Ledger.begin(supervise, 'dies', {}, random.stream());
  const { supervisor } = ledger.watched;
  const check = await round.begin(ledger);
  const count = random.between(1, 8);
  void ledger.calls(count, 'once', 60_000);
  await until('they are in the plugin', () => ledger.begun() === count);
  await random.moment(0, 30);
  const error = await rejection<PluginCrashedError>(supervisor.call('dies', 'exit', [0]));
  expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true });
  expect(error.exit).toMatchObject({ code: 0, signal: null, cause: 'exit-code' });
  expect(error.stderrTail).toContain('last words: exit');
  for (const each of await ledger.verify()) expect(each.error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { code: 0 } });
  await check.end({ faults: 1, stderr: /last words: exit/ });
});

rounds('F03 exit code 125 at start is failed at once, with no restart', async (round) => {
  const { random } = round;
  const watched = await supervise();
  const { supervisor } = watched;
  const check = await round.begin(watched);
  await random.moment(0, 60);
  await supervisor.reconfigure({ pluginDir: await folderOf('exit-125') });
  await until('it is given up', () => supervisor.status('exit-125').versions[0]?.state === 'failed');
  expect(supervisor.status('exit-125').versions[0]).toMatchObject({ state: 'failed', restarts: 0, lastExit: { code: 125 } });
  const kinds = watched.events.filter((event) => 'plugin' in event && event.plugin === 'exit-125').map(({ kind }) => kind);
  expect(kinds).toEqual(['instance-starting', 'instance-start-failed', 'plugin-failed']);
  expect(await rejection(supervisor.call('exit-125', 'any'))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', state: 'failed' });
  const reloads = random.between(1, 2);
  for (let i = 0; i < reloads; i++) {
    expect(await rejection(supervisor.reload('exit-125'))).toMatchObject({
      code: 'ERR_RELOAD_FAILED',
      cause: { code: 'ERR_START_FAILED', exit: { code: 125 }, stderrTail: 'wrong host, give up' },
    });
  }
  await check.end({ faults: 1 + reloads, stderr: /wrong host/, instances: { 'exit-125': 0 } });
});

rounds('F04 a child that cannot be started is ERR_START_FAILED within a second, with a hint', async (round) => {
  const BROKEN_MS = 1_000;
  const { random } = round;
  const watched = await supervise();
  const { supervisor } = watched;
  const unexecutable = join(await supervise.tempDir(), 'node');
  await writeFile(unexecutable, '#!/bin/sh\n');
  await chmod(unexecutable, random.pick([0o644, 0o600, 0o444]));
  const emptied = join(await folderOf('ledger'), 'ledger');
  await rm(join(emptied, 'index.js'));
  const check = await round.begin(watched);

  const broken: [string, PluginOptions, object, RegExp][] = [
    ['throws-on-import', {}, { phase: 'import', stderrTail: expect.stringContaining('about to fail') as string }, /output/],
    ['ledger', { nodePath: '/nowhere/node' }, { phase: 'spawn' }, /no program \/nowhere\/node: check nodePath/],
    ['ledger', { nodePath: unexecutable }, { phase: 'spawn' }, /may not be executed/],
  ];
  for (const [name, options, facts, hint] of random.shuffled(broken)) {
    const at = performance.now();
    const error = await rejection<StartFailedError>(supervisor.load(join(fixtures, name), { options }));
    expect(performance.now() - at).toBeLessThan(BROKEN_MS);
    expect(error).toMatchObject({ code: 'ERR_START_FAILED', ...facts });
    expect(error.hint).toMatch(hint);
    await random.moment(0, 20);
  }
  // What is seen to be missing before anything is started is refused there.
  expect(await rejection(supervisor.load(emptied))).toMatchObject({ code: 'ERR_MANIFEST_INVALID', issues: [{ path: 'main' }] });
  await check.end({ faults: broken.length });
});

rounds('F04 a child whose entry was taken away since it was loaded is given up with ERR_START_FAILED', async (round) => {
  const folder = join(await folderOf('busy'), 'busy');
  const watched = await supervise({ defaults: { restart: { maxRestarts: 1, backoffMs: 1 } } });
  const { supervisor } = watched;
  await supervisor.load(folder);
  const check = await round.begin(watched);
  await rm(join(folder, 'index.js'));
  await round.random.moment(0, 50);
  const failed = once(supervisor, 'plugin-failed') as Promise<[{ error: StartFailedError }]>;
  process.kill(supervisor.status('busy').pid!, 'SIGKILL');
  const [{ error }] = await failed;
  expect(error).toMatchObject({ code: 'ERR_START_FAILED', phase: 'import' });
  expect(error.hint).toMatch(/index\.js/);
  await check.end({ faults: 2, instances: { busy: 0 } });
});

rounds('F05 a child that never answers $/initialize is ERR_START_TIMEOUT on time, its tree gone, its stderr attached', async (round) => {
  // Long enough for the child to have said its line on a busy machine.
  const startTimeoutMs = round.random.between(1_500, 2_000);
  const watched = await supervise();
  const check = await round.begin(watched);
  const at = performance.now();
  const error = await rejection<StartFailedError>(watched.supervisor.load(join(fixtures, 'never-answers'), { options: { startTimeoutMs } }));
  const tookMs = performance.now() - at;
  expect(tookMs).toBeGreaterThan(startTimeoutMs - EARLY_MS);
  // What follows the timeout is the killing and the sweep.
  expect(tookMs).toBeLessThan(startTimeoutMs + 1_000);
  expect(error).toMatchObject({ code: 'ERR_START_TIMEOUT', phase: 'handshake', exit: { signal: 'SIGKILL', cause: 'start-timeout' } });
  expect(error.stderrTail).toContain('waiting for nobody');
  await check.end({ faults: 1, stderr: /waiting for nobody/ });
  expect(await ourChildren()).toEqual([watched.supervisor.status('bystander').pid]);
});

rounds('F06 a crash loop ends in failed, after jittered delays; calls then fail at once, and a reload revives it', async (round) => {
  const fuse = join(await supervise.tempDir(), 'fuse');
  await writeFile(fuse, '');
  const maxRestarts = round.random.between(2, 4);
  // It is tried again by itself only when this test is over.
  const restart = { maxRestarts, backoffMs: 50, maxBackoffMs: 20_000 };
  const watched = await supervise.fixture('bystander');
  const { supervisor } = watched;
  const check = await round.begin(watched);
  const failed = once(supervisor, 'plugin-failed');
  await supervisor.load(join(fixtures, 'crash-loop'), { options: { options: { fuse }, restart } });
  await failed;
  expect(supervisor.status('crash-loop').versions[0]).toMatchObject({
    state: 'failed',
    restarts: maxRestarts,
    lastExit: { code: 3, cause: 'exit-code' },
  });
  const delays = check.events('restart-scheduled').map(({ delayMs }) => delayMs);
  expect(delays).toHaveLength(maxRestarts);
  // Whole milliseconds: two of them may be the same by chance.
  expect(new Set(delays).size, 'jittered').toBeGreaterThan(1);

  const tookMs: number[] = [];
  for (let i = 0; i < 21; i++) {
    const at = performance.now();
    expect(await rejection(supervisor.call('crash-loop', 'ping'))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', state: 'failed' });
    tookMs.push(performance.now() - at);
  }
  // The median: any single one may fall together with a collection of garbage, or with what else runs on the machine.
  expect(tookMs.toSorted((a, b) => a - b)[10]).toBeLessThan(5);

  await rm(fuse);
  await supervisor.reload('crash-loop');
  expect(await supervisor.call('crash-loop', 'ping')).toBe('pong');
  await check.end({ faults: maxRestarts + 1, instances: { 'crash-loop': 1 }, stderr: /the fuse burnt down/ });
});

rounds('F08 a stopped child is unresponsive: killed, replaced, and its calls told', async (round) => {
  const { random } = round;
  // A quarter of the default times; those are held to in faults-plugin.test.ts.
  const ledger = await Ledger.begin(supervise, 'ledger', { liveness: { intervalMs: 250, timeoutMs: 750 } }, random.stream());
  const { supervisor } = ledger.watched;
  const check = await round.begin(ledger);
  const { pid } = supervisor.status('ledger');
  // Anywhere between two pings.
  await random.moment(0, 250);
  const at = performance.now();
  process.kill(pid!, 'SIGSTOP');
  void ledger.calls(random.between(1, 20), 'once', 0);
  await once(supervisor, 'instance-ready');
  expect(performance.now() - at).toBeLessThan(6_000 / 4 + 500);
  expect(supervisor.status('ledger').pid).not.toBe(pid);
  await allGone([pid!], at, 1_000);
  for (const { error } of await ledger.verify()) expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { cause: 'unresponsive' } });
  await check.end({ faults: 1 });
});

test.each(['ledger', 'bystander'])('a child that is killed while it is being stopped ends its stop at once: %s', async (name) => {
  const ledger = await Ledger.begin(supervise);
  const { supervisor } = ledger.watched;
  const check = await Invariants.begin(ledger.watched);
  const { pid } = supervisor.status(name);
  // One of them has a call that would keep it draining for a minute.
  void ledger.call('once', 60_000);
  await until('it is in the plugin', () => ledger.begun() === 1);
  const at = performance.now();
  const stopped = supervisor.unload(name);
  process.kill(pid!, 'SIGKILL');
  await stopped;
  expect(performance.now() - at).toBeLessThan(2_000);
  if (name === 'bystander') process.kill(supervisor.status('ledger').pid!, 'SIGKILL');
  await ledger.verify();
  expect(check.events('instance-crashed', 'instance-stopped')[0]).toMatchObject({ plugin: name, exit: { signal: 'SIGKILL' } });
});
