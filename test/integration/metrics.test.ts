/** What a supervisor measures: per plugin, version and method. */
import { expect, test } from 'vitest';
import type { Distribution, MethodMetrics, VersionMetrics } from '../../src/index.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { EARLY_MS } from '../helpers/timers.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

const of = ({ supervisor }: Watched, plugin: string, version = '1.0.0'): VersionMetrics => supervisor.metrics(plugin).plugins[plugin]![version]!;

function expectOrdered({ min, mean, max, p50, p90, p99 }: Distribution): void {
  const TOLERANCE = 1.01;
  expect(min).toBeLessThanOrEqual(mean * TOLERANCE);
  expect(mean).toBeLessThanOrEqual(max * TOLERANCE);
  for (const [low, high] of [
    [min, p50],
    [p50, p90],
    [p90, p99],
    [p99, max],
  ] as const)
    expect(low).toBeLessThanOrEqual(high * TOLERANCE);
}

test('calls and failures by code, once each', async () => {
  const watched = await supervise.fixture('throws', { breaker: { maxFailures: 2 } });
  const { supervisor } = watched;
  for (let i = 0; i < 3; i++) await supervisor.call('throws', 'ok');
  await rejection(supervisor.call('throws', 'answer'));
  for (let i = 0; i < 2; i++) await rejection(supervisor.call('throws', 'plain'));
  for (let i = 0; i < 4; i++) await rejection(supervisor.call('throws', 'ok'));
  const { methods, breaker, restarts, inFlight, queued } = of(watched, 'throws');
  expect(methods['ok']).toMatchObject({ calls: 7, succeeded: 3, failed: 4, failuresByCode: { ERR_CIRCUIT_OPEN: 4 }, retries: 0 });
  expect(methods['answer']).toMatchObject({ calls: 1, succeeded: 0, failed: 1, failuresByCode: { ERR_PLUGIN_THREW: 1 } });
  expect(methods['plain']).toMatchObject({ calls: 2, failed: 2, failuresByCode: { ERR_PLUGIN_THREW: 2 } });
  expect({ breaker, restarts, inFlight, queued }).toEqual({ breaker: 'open', restarts: 0, inFlight: 0, queued: 0 });
});

test('times of waiting and of running, apart and plausible', async () => {
  const watched = await supervise.fixture('polite', { concurrency: 1 });
  const { supervisor } = watched;
  await Promise.all(Array.from({ length: 5 }, () => supervisor.call('polite', 'sleep', [60])));
  const { waitingMs, runningMs } = of(watched, 'polite').methods['sleep']!;
  expectOrdered(waitingMs);
  expectOrdered(runningMs);
  expect(runningMs.min).toBeGreaterThan(60 - EARLY_MS);
  expect(runningMs.p50).toBeLessThan(500);
  // The first did not wait, the last waited for four others.
  expect(waitingMs.min).toBeLessThan(60);
  expect(waitingMs.max).toBeGreaterThan(4 * (60 - EARLY_MS));
});

test('a call that never ran has waited, and counts no time of running', async () => {
  const watched = await supervise.fixture('polite', { concurrency: 1 });
  const { supervisor } = watched;
  const busy = supervisor.call('polite', 'sleep', [200]);
  await rejection(supervisor.call('polite', 'echo', [1], { timeoutMs: 80 }));
  await busy;
  const { calls, failuresByCode, waitingMs, runningMs } = of(watched, 'polite').methods['echo']!;
  expect({ calls, failuresByCode }).toEqual({ calls: 1, failuresByCode: { ERR_CALL_TIMEOUT: 1 } });
  expect(waitingMs.max).toBeGreaterThan(80 - EARLY_MS);
  expect(runningMs.max).toBe(0);
});

test('gauges show what runs and what waits, and what the child costs', async () => {
  const watched = await supervise.fixture('polite', { concurrency: 2, liveness: { intervalMs: 50 } });
  const { supervisor } = watched;
  const calls = Array.from({ length: 5 }, () => supervisor.call('polite', 'sleep', [200]));
  expect(of(watched, 'polite')).toMatchObject({ inFlight: 2, queued: 3, breaker: 'closed' });
  await Promise.all(calls);
  expect(of(watched, 'polite')).toMatchObject({ inFlight: 0, queued: 0 });
  await until('the child was weighed', () => of(watched, 'polite').rssBytes !== null && of(watched, 'polite').cpuMs !== null);
  expect(of(watched, 'polite').rssBytes).toBeGreaterThan(10 * 2 ** 20);
  expect(of(watched, 'polite').cpuMs).toBeGreaterThan(0);
  expect(supervisor.status('polite').rssBytes).toBe(of(watched, 'polite').rssBytes);
});

test('restarts are counted', async () => {
  const watched = await supervise.fixture('polite', { restart: { backoffMs: 1 } });
  await rejection(watched.supervisor.call('polite', 'exit', [1]));
  await watched.supervisor.call('polite', 'echo', [1]);
  expect(of(watched, 'polite')).toMatchObject({ restarts: 1, methods: { exit: { failuresByCode: { ERR_PLUGIN_CRASHED: 1 } } } });
});

test('each version is measured apart', async () => {
  const folder = await supervise.tempDir();
  await putFixture(folder, 'throws');
  await putFixture(folder, 'throws', { version: '2.0.0' });
  const { supervisor } = await supervise({ pluginDir: folder, defaults: { pin: ['^1'] } });
  await supervisor.call('throws', 'ok');
  await supervisor.call('throws', 'ok');
  await supervisor.call('throws@1', 'ok');
  const versions = supervisor.metrics().plugins['throws']!;
  expect(Object.fromEntries(Object.entries(versions).map(([version, { methods }]) => [version, methods['ok']!.calls]))).toEqual({
    '1.0.0': 1,
    '2.0.0': 2,
  });
});

test('names that callers make up are counted under one', async () => {
  const watched = await supervise.fixture('throws');
  for (const method of ['a', 'b', '__proto__']) await rejection(watched.supervisor.call('throws', method));
  const { methods } = of(watched, 'throws');
  expect(Object.values(methods).reduce((sum: number, { calls }: MethodMetrics) => sum + calls, 0)).toBe(3);
  expect(Object.keys(methods)).toEqual(['(unknown)']);
});

test('resetMetrics forgets one plugin, or all of them', async () => {
  const watched = await supervise.fixture('throws');
  const { supervisor } = watched;
  const folder = await supervise.tempDir();
  await supervisor.load(await putFixture(folder, 'polite'));
  await supervisor.call('throws', 'ok');
  await supervisor.call('polite', 'echo', [1]);
  supervisor.resetMetrics('throws');
  expect(of(watched, 'throws').methods).toEqual({});
  expect(of(watched, 'polite').methods['echo']).toMatchObject({ calls: 1 });
  await supervisor.call('throws', 'ok');
  expect(of(watched, 'throws').methods['ok']).toMatchObject({ calls: 1 });
  await until('time passes', () => supervisor.metrics().sinceMs > 20);
  supervisor.resetMetrics();
  expect(supervisor.metrics().sinceMs).toBeLessThan(20);
  expect(of(watched, 'polite').methods).toEqual({});
  expect(() => supervisor.resetMetrics('nobody')).toThrow(expect.objectContaining({ code: 'ERR_PLUGIN_NOT_FOUND' }) as Error);
});

test('with metrics: false there are none, and calls go on', async () => {
  const { supervisor } = await supervise.fixture('throws', {}, { metrics: false });
  expect(await supervisor.call('throws', 'ok')).toBe('ok');
  expect(supervisor.metrics()).toEqual({ sinceMs: 0, plugins: {} });
  expect(supervisor.metrics('throws').plugins).toEqual({});
  supervisor.resetMetrics();
});
