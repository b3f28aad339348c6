import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecentCalls } from '../../../src/resilience/recent.ts';

const KEPT = 256;

describe('the last calls', () => {
  test('are none before the first', () => {
    expect(new RecentCalls().since(-Infinity)).toEqual([]);
  });

  test('are those of a list of them that ended since then, the newest 256 at the most', () => {
    const call = fc.record({
      step: fc.nat(20),
      method: fc.constantFrom('echo', 'report'),
      ranMs: fc.nat(1_000),
      failed: fc.boolean(),
      isSecond: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 600, size: 'max' }), fc.nat(6_000), (calls, since) => {
        const recent = new RecentCalls();
        let endedAt = 0;
        const all = calls.map(({ step, method, ranMs, failed, isSecond }) => {
          endedAt += step;
          recent.add(endedAt, method, ranMs, failed, isSecond);
          return { method, endedAt, ranMs, failed, isSecond };
        });
        expect(recent.since(since)).toEqual(all.slice(-KEPT).filter((each) => each.endedAt >= since));
        expect(recent.since(since)).toEqual(recent.since(since));
      }),
    );
  });
});
