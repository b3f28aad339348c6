/** Callers with less patience than the plugin asks for, and plugins that look at no signal: neither takes a healthy plugin down. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PluginOptions } from '../../src/index.ts';
import { linesOf } from '../helpers/lines.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { beginVersions, Traffic } from '../helpers/versions.ts';

const supervise = useSupervisors();
const upstream = (plugin: PluginOptions = {}): Promise<Watched> => supervise.fixture('upstream', plugin);
const version = ({ supervisor }: Watched) => supervisor.status('upstream').versions[0]!;
const replaced = ({ events }: Watched) => events.filter(({ kind }) => kind === 'instance-replacing').length;
const impatient = { timeoutMs: 100 };

/** Calls that are given up at once and go on. */
const ignored = ({ supervisor }: Watched, calls: number, ms = 60_000): Promise<unknown> =>
  Promise.all(Array.from({ length: calls }, () => rejection(supervisor.call('upstream', 'report', [ms], impatient))));

describe('a deadline that the caller chose shorter than the plugin', () => {
  test('changes nothing for other callers, however often it passes', async () => {
    const watched = await upstream({ cancelGraceMs: 100, breaker: { maxFailures: 2 } });
    const { supervisor } = watched;
    const pid = version(watched).pid;
    const patient = Array.from({ length: 5 }, () => supervisor.call('upstream', 'report', [2_500]));
    for (let i = 0; i < 10; i++) {
      await rejection(supervisor.call('upstream', 'report', [1_500], impatient));
      expect(await supervisor.call('upstream', 'echo', [i])).toBe(i);
    }
    expect(await Promise.all(patient)).toEqual(Array(5).fill(pid));
    expect(version(watched)).toMatchObject({ state: 'running', pid, restarts: 0, breaker: { state: 'closed', failures: 0 } });
    expect(replaced(watched)).toBe(0);
  });

  test('counts for the breaker where the method itself asks for no more time', async () => {
    const watched = await upstream({ callTimeoutMs: 100, breaker: { maxFailures: 2 } });
    for (const timeoutMs of [100, 150]) await rejection(watched.supervisor.call('upstream', 'report', [5_000], { timeoutMs }));
    expect(version(watched).breaker).toMatchObject({ state: 'open' });
  });

  test('gives its permit back where it was a probe of the half-open circuit', async () => {
    const watched = await upstream({ callTimeoutMs: 300, breaker: { maxFailures: 1, openMs: 50, halfOpenCalls: 1 } });
    const { supervisor } = watched;
    await rejection(supervisor.call('upstream', 'report', [600]));
    await until('the circuit may be probed', () => supervisor.breaker('upstream').retryAfterMs === 0);
    await rejection(supervisor.call('upstream', 'report', [500], impatient));
    expect(supervisor.breaker('upstream').state).toBe('half-open');
    expect(await supervisor.call('upstream', 'echo', [1])).toBe(1);
    expect(supervisor.breaker('upstream').state).toBe('closed');
  });

  test('takes no version back that is on trial', async () => {
    const options: PluginOptions = { rollout: { canary: { minCalls: 5 }, holdMs: 60_000 }, breaker: { maxFailures: 3 } };
    const versions = await beginVersions(supervise, options, { slowMs: 1_500 });
    const { supervisor } = versions;
    await supervisor.load(await versions.put('2.0.0', { slowMs: 1_500 }));
    const traffic = new Traffic(() => supervisor.call('versioned', 'count'));
    await Promise.all(Array.from({ length: 20 }, () => rejection(supervisor.call('versioned', 'once', [], { timeoutMs: 50 }))));
    await until('they have ended', () => supervisor.status('versioned').inFlight <= 4);
    await traffic.stop();
    expect(supervisor.status('versioned')).toMatchObject({ version: '2.0.0', breaker: { state: 'closed' }, rollout: { phase: 'holding' } });
  });
});

describe('calls that ignore their cancellation', () => {
  test('keep their slots, and status says which methods they are of and how many slots they hold', async () => {
    const watched = await upstream({ concurrency: 10, cancelGraceMs: 50 });
    await ignored(watched, 4, 1_000);
    await until('their grace is over', () => version(watched).ignoredCancels[0]?.slots === 4);
    expect(version(watched)).toMatchObject({ inFlight: 4, ignoredCancels: [{ method: 'report', times: 4, slots: 4 }] });
    expect(replaced(watched)).toBe(0);
    await until('they have ended', () => version(watched).inFlight === 0);
    expect(version(watched).ignoredCancels).toEqual([{ method: 'report', times: 4, slots: 0 }]);
  });

  test('have a fresh child take new calls from `ignoredCancelRatio` of the slots on, while the old one finishes what somebody waits for', async () => {
    const watched = await upstream({ concurrency: 10, cancelGraceMs: 50, ignoredCancelRatio: 0.3, breaker: { maxFailures: 1 } });
    const { supervisor } = watched;
    const { pid } = version(watched);
    const patient = supervisor.call('upstream', 'report', [2_500], { timeoutMs: 30_000 });
    await ignored(watched, 2);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(replaced(watched)).toBe(0);
    await ignored(watched, 1);
    await until('a fresh child serves', () => ![pid, null].includes(version(watched).pid));
    expect(await supervisor.call('upstream', 'pid')).not.toBe(pid);
    expect(version(watched).inFlight).toBe(4);
    expect(await patient).toBe(pid);
    await until('the old child is gone', () => version(watched).instances.length === 1);
    expect(version(watched)).toMatchObject({ state: 'running', inFlight: 0, restarts: 0, breaker: { state: 'closed', failures: 0 } });
    expect(watched.events.filter(({ kind }) => kind === 'restart-scheduled')).toEqual([]);
  });

  test('end gracefully with the old child where they end by themselves', async () => {
    const watched = await upstream({ concurrency: 2, cancelGraceMs: 50 });
    const patient = watched.supervisor.call('upstream', 'report', [1_500]);
    await ignored(watched, 1, 1_000);
    await patient;
    await until('the old child is gone', () => watched.events.some(({ kind }) => kind === 'instance-stopped'));
    expect(watched.events.filter(({ kind }) => kind === 'instance-crashed')).toEqual([]);
  });

  test('never run beside another one with a concurrency of 1', async () => {
    const ledger = join(await supervise.tempDir(), 'ledger');
    const watched = await upstream({ concurrency: 1, cancelGraceMs: 50, options: { ledger } });
    const ends: number[] = [];
    watched.supervisor.on('instance-crashed', ({ exit }) => ends.push(exit.pid!));
    for (let i = 0; i < 3; i++) {
      await ignored(watched, 1);
      expect(await watched.supervisor.call('upstream', 'report', [10])).toBeTypeOf('number');
    }
    const begun = linesOf(ledger).filter((line) => line.startsWith('begun'));
    // Each call that was given up had a child of its own, which was dead before the next call began.
    expect(begun.map((line) => Number(line.split(' ')[1])).filter((pid) => ends.includes(pid))).toHaveLength(3 + 2);
    expect(version(watched)).toMatchObject({ restarts: 0, state: 'running' });
  });

  test('are not held against their arguments when the child is given up', async () => {
    const watched = await upstream({ concurrency: 1, cancelGraceMs: 20, poisonAfter: 1 });
    await ignored(watched, 1, 1_000);
    expect(await watched.supervisor.call('upstream', 'report', [1_000])).toBeTypeOf('number');
    expect(version(watched).poisoned).toEqual([]);
  });

  test('leave the old child serving where no fresh one comes up', async () => {
    const down = join(await supervise.tempDir(), 'down');
    const restart = { maxRestarts: 1, backoffMs: 1, maxBackoffMs: 20 };
    const watched = await upstream({ concurrency: 4, cancelGraceMs: 20, restart, options: { down, atStart: 'throw' } });
    const { pid } = version(watched);
    await writeFile(down, '');
    await ignored(watched, 2, 4_000);
    await until('no fresh one came up', () => watched.events.filter(({ kind }) => kind === 'instance-start-failed').length > 3);
    expect(await watched.supervisor.call('upstream', 'pid')).toBe(pid);
    await rm(down);
    await until('a fresh child serves', () => ![pid, null].includes(version(watched).pid));
    expect(watched.events.filter(({ kind }) => kind === 'plugin-failed')).toEqual([]);
  });
});

test.each([1, 2])('an upstream that hangs while callers have a second leaves the plugin well, with %d children', async (instances) => {
  const down = join(await supervise.tempDir(), 'down');
  const watched = await upstream({ instances, concurrency: 8, cancelGraceMs: 100, options: { down } });
  const { supervisor } = watched;
  await writeFile(down, '');
  const callers = new Traffic(() => supervisor.call('upstream', 'fetch', [1], { timeoutMs: 200 }), 20);
  await until('children were given up', () => replaced(watched) >= 8, 20_000);
  await rm(down);
  await until('callers are served', () => callers.answers.length > 100);
  const failed = callers.errors.length;
  await until('more callers are served', () => callers.answers.length > 300);
  await callers.stop();
  // Calls that still waited when it was well again.
  expect(callers.errors.length - failed).toBeLessThan(40);
  expect(version(watched)).toMatchObject({ state: 'running', restarts: 0, breaker: { state: 'closed' } });
});
