import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecentCalls } from '../../../src/resilience/recent.ts';

const KEPT = 256;

describe('the last calls', () => {
  test('are none before the first', () => {
    expect(new RecentCalls().sample(-Infinity)).toEqual({ calls: 0, failures: 0, p95Ms: 0 });
  });

  test('come to what a list of them comes to, of which only the newest are kept', () => {
    const call = fc.record({ step: fc.nat(20), ranMs: fc.nat(1_000), failed: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(call, { maxLength: 600, size: 'max' }),
        fc.nat(6_000),
        fc.array(fc.nat(1_000), { maxLength: 20 }),
        (calls, since, running) => {
          const recent = new RecentCalls();
          let now = 0;
          const all = calls.map(({ step, ranMs, failed }) => {
            now += step;
            recent.add(now, ranMs, failed);
            return { at: now, ranMs, failed };
          });
          const counted = all.slice(-KEPT).filter(({ at }) => at >= since);
          const times = [...counted.map(({ ranMs }) => ranMs), ...running].toSorted((a, b) => a - b);
          expect(recent.sample(since, running)).toEqual({
            calls: times.length,
            failures: counted.filter(({ failed }) => failed).length,
            p95Ms: times.find((_, i) => (i + 1) * 100 >= times.length * 95) ?? 0,
          });
        },
      ),
    );
  });

  test.each([
    [20, 1],
    [100, 5],
    [200, 10],
  ])('of %d the slowest %d may take as long as they like', (calls, slow) => {
    const recent = new RecentCalls();
    for (let i = 0; i < calls; i++) recent.add(i, i < slow ? 9_000 : 10, false);
    expect(recent.sample(0).p95Ms).toBe(10);
    recent.add(calls, 9_000, false);
    expect(recent.sample(0).p95Ms).toBe(9_000);
  });

  test('that still run count with the time that they have run, and not as failed', () => {
    const recent = new RecentCalls();
    recent.add(1, 10, true);
    expect(recent.sample(0, [5_000, 6_000])).toEqual({ calls: 3, failures: 1, p95Ms: 6_000 });
    expect(recent.sample(2, [5_000])).toEqual({ calls: 1, failures: 0, p95Ms: 5_000 });
  });

  test('are looked at without being changed', () => {
    const recent = new RecentCalls();
    for (const ranMs of [3, 1, 2]) recent.add(0, ranMs, false);
    expect(recent.sample(0)).toEqual(recent.sample(0));
    const running = [9, 1];
    recent.sample(0, running);
    expect(running).toEqual([9, 1]);
  });
});
