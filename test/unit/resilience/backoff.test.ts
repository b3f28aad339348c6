import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponentialDelay } from '../../../src/resilience/backoff.ts';

const options = { backoffMs: 100, maxBackoffMs: 10_000 };

describe('exponentialDelay', () => {
  it('has a mean of backoffMs first, doubled by every further attempt', () => {
    expect([1, 2, 3, 4].map((attempt) => exponentialDelay(attempt, options, () => 0.5))).toEqual([100, 200, 400, 800]);
  });

  it('spreads from zero to twice the mean', () => {
    expect(exponentialDelay(2, options, () => 0)).toBe(0);
    expect(exponentialDelay(2, options, () => 0.999_999)).toBe(400);
  });

  it('never exceeds maxBackoffMs and stays a whole number, at any attempt', () => {
    const anyDelay = fc.tuple(
      fc.integer({ min: 1, max: 1e9 }),
      fc.nat(1e6),
      fc.nat(1e6),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    );
    fc.assert(
      fc.property(anyDelay, ([attempt, backoffMs, maxBackoffMs, chance]) => {
        const delay = exponentialDelay(attempt, { backoffMs, maxBackoffMs }, () => chance);
        return Number.isInteger(delay) && delay >= 0 && delay <= maxBackoffMs;
      }),
    );
  });
});
