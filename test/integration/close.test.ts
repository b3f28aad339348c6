/** The end of a supervisor, whatever is under way. That no child outlives it is asserted after each test. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSupervisor, type Supervisor } from '../../src/index.ts';
import { linesOf } from '../helpers/lines.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { EARLY_MS } from '../helpers/timers.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

test('finishes what runs and what waits, refuses what comes, frees the plugin, and reports', async () => {
  const freed = join(await supervise.tempDir(), 'freed');
  const { supervisor } = await supervise.fixture('polite', { concurrency: 2, options: { freed } });
  const calls = Array.from({ length: 6 }, (_, i) => supervisor.call('polite', 'sleep', [100 + i]));
  const closing = supervisor.close();
  expect(supervisor.status().state).toBe('closing');
  expect(await rejection(supervisor.call('polite', 'echo', [1]))).toMatchObject({ code: 'ERR_SUPERVISOR_CLOSED' });
  expect(await Promise.all(calls)).toEqual([100, 101, 102, 103, 104, 105]);
  expect(await closing).toMatchObject({ stopped: 1, killed: 0, abandonedCalls: 0 });
  expect(supervisor.status()).toMatchObject({ state: 'closed' });
  expect(linesOf(freed)).toEqual(['freed 1.0.0']);
  expect(await ourChildren()).toEqual([]);
});

test('cuts off what takes longer than the drain timeout: calls that run and calls that wait', async () => {
  const { supervisor } = await supervise.fixture('polite', { concurrency: 1 });
  const running = rejection(supervisor.call('polite', 'sleep', [60_000]));
  const waiting = rejection(supervisor.call('polite', 'echo', [1]));
  await until('it runs', () => supervisor.status('polite').inFlight === 1);
  const report = await supervisor.close({ drainTimeoutMs: 200 });
  expect(await running).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true, exit: { cause: 'drain-timeout' } });
  expect(await waiting).toMatchObject({ code: 'ERR_SUPERVISOR_CLOSED' });
  expect(report).toMatchObject({ stopped: 1, killed: 0, abandonedCalls: 2 });
  expect(report.durationMs).toBeGreaterThan(200 - EARLY_MS);
});

test('kills a plugin that cannot be stopped otherwise', async () => {
  const { supervisor } = await supervise.fixture('ignores-cancel', { stopTimeoutMs: 500 });
  const running = rejection(supervisor.call('ignores-cancel', 'work', ['/dev/null', 60_000]));
  await until('it runs', () => supervisor.status('ignores-cancel').inFlight === 1);
  const report = await supervisor.close({ drainTimeoutMs: 100 });
  // It has no free() to hang in, so the runner may end it on request; either way it is gone.
  expect(report.stopped + report.killed).toBe(1);
  expect(await running).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { cause: 'drain-timeout' } });
});

test('a second close waits for the same end; with a drain timeout of 0 it kills at once', async () => {
  const { supervisor } = await supervise.fixture('polite');
  const running = rejection(supervisor.call('polite', 'sleep', [60_000]));
  await until('it runs', () => supervisor.status('polite').inFlight === 1);
  const first = supervisor.close();
  const began = performance.now();
  const second = supervisor.close({ drainTimeoutMs: 0 });
  expect(await second).toBe(await first);
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(await first).toMatchObject({ killed: 1 });
  expect(await running).toMatchObject({ code: 'ERR_PLUGIN_CRASHED' });
});

test('gives up a plugin that is starting, and a rollout under way', async () => {
  const { supervisor } = await supervise.fixture('polite', { startTimeoutMs: 30_000 });
  const rollout = rejection(supervisor.load(join(fixtures, 'hangs-at-start')));
  await until('its child is there', async () => (await ourChildren()).length > 1);
  const began = performance.now();
  await supervisor.close();
  expect(performance.now() - began).toBeLessThan(3_000);
  expect(await rollout).toMatchObject({ code: 'ERR_SUPERVISOR_CLOSED' });
});

test('gives up a first load that is under way, at whatever point it is', async () => {
  for (const turns of [0, 1, 5, 20]) {
    const { supervisor } = await supervise({ defaults: { startTimeoutMs: 30_000 } });
    const load = rejection(supervisor.load(join(fixtures, 'hangs-at-start')));
    for (let i = 0; i < turns; i++) await new Promise(setImmediate);
    await supervisor.close();
    expect(await load).toMatchObject({ code: 'ERR_SUPERVISOR_CLOSED' });
  }
  expect(await ourChildren()).toEqual([]);
});

test('does not wait longer for a version that is being replaced than for the others', async () => {
  const { supervisor } = await supervise.fixture('polite');
  const running = rejection(supervisor.call('polite', 'sleep', [60_000]));
  await until('it runs', () => supervisor.status('polite').inFlight === 1);
  await supervisor.reload('polite');
  const report = await supervisor.close({ drainTimeoutMs: 200 });
  expect(report.durationMs).toBeLessThan(3_000);
  expect(await running).toMatchObject({ code: 'ERR_PLUGIN_CRASHED' });
});

test('ends a plugin that waits for its restart', async () => {
  const { supervisor } = await supervise.fixture('polite', { restart: { backoffMs: 60_000, maxBackoffMs: 60_000 } });
  await rejection(supervisor.call('polite', 'exit', [1]));
  const waiting = rejection(supervisor.call('polite', 'echo', [1]));
  const report = await supervisor.close();
  expect(report.durationMs).toBeLessThan(3_000);
  // A pause with full jitter may have been short: then it came back and answered, or began to.
  expect(['ERR_SUPERVISOR_CLOSED', 'ERR_PLUGIN_UNAVAILABLE']).toContain((await waiting).code);
});

test('after it every method says that it is closed, and status still answers', async () => {
  const { supervisor } = await supervise.fixture('polite');
  const client = supervisor.plugin<{ echo(value: number): number }>('polite');
  await supervisor.close();
  const closed = { code: 'ERR_SUPERVISOR_CLOSED', retryable: false };
  expect(await rejection(supervisor.call('polite', 'echo', [1]))).toMatchObject(closed);
  expect(await rejection(client.echo(1))).toMatchObject(closed);
  expect(await rejection(supervisor.load(join(fixtures, 'polite')))).toMatchObject(closed);
  expect(await rejection(supervisor.reload('polite'))).toMatchObject(closed);
  expect(await rejection(supervisor.rollback('polite'))).toMatchObject(closed);
  expect(await rejection(supervisor.unload('polite'))).toMatchObject(closed);
  expect(await rejection(supervisor.reconfigure({}))).toMatchObject(closed);
  expect(supervisor.status()).toMatchObject({ state: 'closed', plugins: [{ name: 'polite', state: 'stopped', pid: null }] });
  expect(await supervisor.close()).toMatchObject({ stopped: 1 });
});

test('is what `await using` does', async () => {
  let outer: Supervisor;
  {
    await using supervisor = await createSupervisor({ strictModes: false });
    await supervisor.load(join(fixtures, 'polite'));
    outer = supervisor;
    expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
  }
  expect(outer.status().state).toBe('closed');
  expect(await ourChildren()).toEqual([]);
});
