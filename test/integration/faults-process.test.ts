/** Faults F01 to F08: a child that dies, does not start, or stops. */
import { once } from 'node:events';
import { chmod, cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PluginCrashedError, StartFailedError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { Ledger } from '../helpers/ledger.ts';
import { allGone } from '../helpers/processes.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const LOADS = ['idle', 'under load'] as const;
/** Callers are told 100 ms after the exit; these count from the signal, and the system takes a moment to end a process. */
const TOLD_MS = 100 + 50;
const READY_MS = 1_000;

/** A plugin folder of its own that holds this fixture. */
async function folderOf(name: string): Promise<string> {
  const folder = await supervise.tempDir();
  await cp(join(fixtures, name), join(folder, name), { recursive: true });
  return folder;
}

describe.each(LOADS)('F01 a SIGKILL with 8 in flight and 50 queued, %s', (load) => {
  test('fails the 8 as maybe executed, and the 50 succeed on the next instance', async () => {
    const ledger = await Ledger.begin(supervise, 'ledger', { concurrency: 8 });
    const { supervisor } = ledger.watched;
    const check = await Invariants.begin(ledger.watched, load);
    const running = ledger.calls(8, 'once', 60_000, 5_000);
    const queued = ledger.calls(50, 'once', ledger.random(5), 5_000);
    await until('8 are in the plugin', () => ledger.begun() === 8);
    expect(supervisor.status('ledger')).toMatchObject({ inFlight: 8, queued: 50 });

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
    await ledger.verify();
    await check.end({ faults: 1 });
    expect(check.events('instance-crashed')[0]!.exit.inFlight).toHaveLength(8);
    expect(supervisor.status('ledger').restarts).toBe(1);
  });

  test('runs idempotent calls again, so that every caller has its result', async () => {
    const retry = { attempts: 3, backoffMs: 10, budgetRatio: 1 };
    const ledger = await Ledger.begin(supervise, 'ledger', { concurrency: 8, retry });
    const { supervisor } = ledger.watched;
    const check = await Invariants.begin(ledger.watched, load);
    void ledger.calls(8, 'again', 200, 5_000);
    void ledger.calls(50, 'again', ledger.random(5), 5_000);
    await until('8 are in the plugin', () => ledger.begun() === 8);
    process.kill(supervisor.status('ledger').pid!, 'SIGKILL');
    const settled = await ledger.verify();
    expect(settled.map(({ error }) => error)).toEqual(settled.map(() => null));
    expect(settled.filter(({ result }) => String(result).split(' ')[1] === '2')).toHaveLength(8);
    await check.end({ faults: 1 });
  });
});

test.each(LOADS)('F02 process.exit(0) during a call is a crash all the same, and the error says exit code 0, %s', async (load) => {
  const ledger = await Ledger.begin(supervise, 'dies');
  const { supervisor } = ledger.watched;
  const check = await Invariants.begin(ledger.watched, load);
  void ledger.calls(4, 'once', 60_000);
  await until('4 are in the plugin', () => ledger.begun() === 4);
  const error = await rejection<PluginCrashedError>(supervisor.call('dies', 'exit', [0]));
  expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true });
  expect(error.exit).toMatchObject({ code: 0, signal: null, cause: 'exit-code' });
  expect(error.stderrTail).toContain('last words: exit');
  for (const each of await ledger.verify()) expect(each.error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { code: 0 } });
  await check.end({ faults: 1, stderr: /last words: exit/ });
});

test('F03 exit code 125 at start is failed at once, with no restart', async () => {
  const watched = await supervise({ pluginDir: await folderOf('exit-125') });
  const { supervisor, events } = watched;
  expect(supervisor.status('exit-125').versions[0]).toMatchObject({ state: 'failed', restarts: 0, lastExit: { code: 125 } });
  expect(events.map(({ kind }) => kind)).toEqual(['instance-starting', 'instance-start-failed', 'plugin-failed']);
  const check = await Invariants.begin(watched);
  expect(await rejection(supervisor.call('exit-125', 'any'))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', state: 'failed' });
  expect(await rejection(supervisor.reload('exit-125'))).toMatchObject({
    code: 'ERR_RELOAD_FAILED',
    cause: { code: 'ERR_START_FAILED', exit: { code: 125 }, stderrTail: 'wrong host, give up' },
  });
  await check.end({ faults: 1, stderr: /wrong host/ });
});

describe('F04 a child that cannot be started is ERR_START_FAILED within a second, with a hint', () => {
  const BROKEN_MS = 1_000;

  test.each([
    ['whose entry throws', 'throws-on-import', {}, { phase: 'import', stderrTail: expect.stringContaining('about to fail'), hint: /output/ }],
    ['whose nodePath is not there', 'ledger', { nodePath: '/nowhere/node' }, { phase: 'spawn', hint: /no program \/nowhere\/node: check nodePath/ }],
    ['whose nodePath may not be executed', 'ledger', { nodePath: 'plain file' }, { phase: 'spawn', hint: /may not be executed/ }],
  ])('one %s', async (_, name, options: { nodePath?: string }, { hint, ...facts }) => {
    const watched = await supervise();
    const check = await Invariants.begin(watched);
    if (options.nodePath === 'plain file') {
      options.nodePath = join(await supervise.tempDir(), 'node');
      await writeFile(options.nodePath, '#!/bin/sh\n');
      await chmod(options.nodePath, 0o644);
    }
    const at = performance.now();
    const error = await rejection<StartFailedError>(watched.supervisor.load(join(fixtures, name), { options }));
    expect(performance.now() - at).toBeLessThan(BROKEN_MS);
    expect(error).toMatchObject({ code: 'ERR_START_FAILED', ...facts });
    expect(error.hint).toMatch(hint);
    await check.end({ faults: 1 });
  });

  test('one whose entry is not there is refused before anything is started', async () => {
    const folder = join(await folderOf('ledger'), 'ledger');
    await rm(join(folder, 'index.js'));
    const watched = await supervise();
    const check = await Invariants.begin(watched);
    expect(await rejection(watched.supervisor.load(folder))).toMatchObject({ code: 'ERR_MANIFEST_INVALID', issues: [{ path: 'main' }] });
    await check.end({ faults: 0 });
  });

  test('one whose entry was taken away since', async () => {
    const folder = join(await folderOf('busy'), 'busy');
    const watched = await supervise({ defaults: { restart: { maxRestarts: 1, backoffMs: 1 } } });
    const { supervisor } = watched;
    await supervisor.load(folder);
    const check = await Invariants.begin(watched);
    await rm(join(folder, 'index.js'));
    process.kill(supervisor.status('busy').pid!, 'SIGKILL');
    const [{ error }] = (await once(supervisor, 'plugin-failed')) as [{ error: StartFailedError }];
    expect(error).toMatchObject({ code: 'ERR_START_FAILED', phase: 'import' });
    expect(error.hint).toMatch(/index\.js/);
    await check.end({ faults: 2, instances: { busy: 0 } });
  });
});

test('F05 a child that never answers $/initialize is ERR_START_TIMEOUT on time, its tree gone, its stderr attached', async () => {
  const watched = await supervise();
  const check = await Invariants.begin(watched);
  const at = performance.now();
  const error = await rejection<StartFailedError>(watched.supervisor.load(join(fixtures, 'never-answers'), { options: { startTimeoutMs: 600 } }));
  const tookMs = performance.now() - at;
  expect(tookMs).toBeGreaterThanOrEqual(600);
  // What follows the timeout is the killing and the sweep.
  expect(tookMs).toBeLessThan(600 + 500);
  expect(error).toMatchObject({ code: 'ERR_START_TIMEOUT', phase: 'handshake', exit: { signal: 'SIGKILL', cause: 'start-timeout' } });
  expect(error.stderrTail).toContain('waiting for nobody');
  await check.end({ faults: 1, stderr: /waiting for nobody/ });
  expect(await ourChildren()).toEqual([watched.supervisor.status('bystander').pid]);
});

test('F06 a crash loop ends in failed, after jittered delays; calls then fail at once, and a reload revives it', async () => {
  const fuse = join(await supervise.tempDir(), 'fuse');
  await writeFile(fuse, '');
  const restart = { maxRestarts: 4, backoffMs: 20, maxBackoffMs: 200 };
  const watched = await supervise.fixture('bystander');
  const { supervisor } = watched;
  const check = await Invariants.begin(watched);
  const failed = once(supervisor, 'plugin-failed');
  await supervisor.load(join(fixtures, 'crash-loop'), { options: { options: { fuse }, restart } });
  await failed;
  expect(supervisor.status('crash-loop').versions[0]).toMatchObject({ state: 'failed', restarts: 4, lastExit: { code: 3, cause: 'exit-code' } });
  const delays = check.events('restart-scheduled').map(({ delayMs }) => delayMs);
  expect(delays).toHaveLength(4);
  expect(new Set(delays).size, 'jittered').toBe(4);

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
  await check.end({ faults: 5, instances: { 'crash-loop': 1 }, stderr: /the fuse burnt down/ });
});

test.each(LOADS)('F08 a stopped child is unresponsive: killed, replaced, and its calls told, %s', async (load) => {
  // A quarter of the default times; those are held to in faults-plugin.test.ts.
  const ledger = await Ledger.begin(supervise, 'ledger', { liveness: { intervalMs: 250, timeoutMs: 750 } });
  const { supervisor } = ledger.watched;
  const check = await Invariants.begin(ledger.watched, load);
  const { pid } = supervisor.status('ledger');
  const at = performance.now();
  process.kill(pid!, 'SIGSTOP');
  void ledger.calls(5, 'once', 0);
  await once(supervisor, 'instance-ready');
  expect(performance.now() - at).toBeLessThan(6_000 / 4);
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
