/** Counting calls: what is counted where, and how exact the percentiles are. */
import { describe, expect, test } from 'vitest';
import { Metrics } from '../../src/telemetry/metrics.ts';

describe('metrics', () => {
  test('count by plugin, version and method; a failure by its code', () => {
    const metrics = new Metrics();
    metrics.settled('a', '1.0.0', 'x', null, 1, 2);
    metrics.settled('a', '1.0.0', 'x', 'ERR_CALL_TIMEOUT', 1, 2);
    metrics.settled('a', '2.0.0', 'x', null, 1, 2);
    metrics.settled('b', '1.0.0', 'y', null, 1, 2);
    metrics.retried('b', '1.0.0', 'y');
    expect(metrics.methods('a', '1.0.0')['x']).toMatchObject({ calls: 2, succeeded: 1, failed: 1, failuresByCode: { ERR_CALL_TIMEOUT: 1 } });
    expect(metrics.methods('a', '2.0.0')['x']).toMatchObject({ calls: 1, failed: 0, failuresByCode: {} });
    expect(metrics.methods('b', '1.0.0')['y']).toMatchObject({ calls: 1, retries: 1 });
    expect(metrics.methods('c', '1.0.0')).toEqual({});
  });

  test('tell of waking apart from calls, until they are reset', () => {
    const metrics = new Metrics();
    expect(metrics.wakes('a', '1.0.0')).toEqual({ wakes: 0, wakingMs: { min: 0, mean: 0, max: 0, p50: 0, p90: 0, p99: 0 } });
    for (const ms of [100, 200, 300]) metrics.woken('a', '1.0.0', ms);
    const { wakes, wakingMs } = metrics.wakes('a', '1.0.0');
    expect(wakes).toBe(3);
    expect(Math.abs(wakingMs.p50 - 200)).toBeLessThan(2);
    expect(metrics.methods('a', '1.0.0')).toEqual({});
    metrics.reset('a');
    expect(metrics.wakes('a', '1.0.0').wakes).toBe(0);
  });

  test('are within one per cent', () => {
    const metrics = new Metrics();
    for (let n = 1; n <= 1_000; n++) metrics.settled('a', '1.0.0', 'x', null, n, n / 10);
    const { waitingMs, runningMs } = metrics.methods('a', '1.0.0')['x']!;
    const near = (actual: number, expected: number): void => expect(Math.abs(actual - expected) / expected).toBeLessThan(0.01);
    near(waitingMs.min, 1);
    near(waitingMs.max, 1_000);
    near(waitingMs.mean, 500.5);
    near(waitingMs.p50, 500);
    near(waitingMs.p90, 900);
    near(waitingMs.p99, 990);
    near(runningMs.p50, 50);
  });

  test('take any time, and count no running where there was none', () => {
    const metrics = new Metrics();
    for (const ms of [0, 1e-9, 1e12]) metrics.settled('a', '1.0.0', 'x', null, ms, ms);
    metrics.settled('a', '1.0.0', 'y', 'ERR_QUEUE_FULL', 0, -1);
    expect(metrics.methods('a', '1.0.0')['x']).toMatchObject({ calls: 3 });
    expect(metrics.methods('a', '1.0.0')['y']!.runningMs).toEqual({ min: 0, mean: 0, max: 0, p50: 0, p90: 0, p99: 0 });
  });

  test('count methods that are not there under one name, whatever callers call them', () => {
    const metrics = new Metrics();
    for (let n = 0; n < 1_000; n++) metrics.settled('a', '1.0.0', `made-up-${n}`, 'ERR_METHOD_NOT_FOUND', 0, -1);
    expect(Object.keys(metrics.methods('a', '1.0.0'))).toEqual(['(unknown)']);
  });

  test('can be forgotten, of one plugin or of all', () => {
    const metrics = new Metrics();
    for (const plugin of ['a', 'b']) metrics.settled(plugin, '1.0.0', 'x', null, 1, 1);
    metrics.reset('a');
    expect([metrics.methods('a', '1.0.0'), Object.keys(metrics.methods('b', '1.0.0'))]).toEqual([{}, ['x']]);
    metrics.reset();
    expect(metrics.methods('b', '1.0.0')).toEqual({});
  });
});
