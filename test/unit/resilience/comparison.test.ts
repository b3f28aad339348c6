import { describe, expect, test } from 'vitest';
import type { Thresholds } from '../../../src/options.ts';
import { compare } from '../../../src/resilience/comparison.ts';
import type { Sample } from '../../../src/resilience/recent.ts';

const thresholds: Thresholds = { maxFailureRatio: 0.05, maxP95Ratio: 3, minCalls: 20 };
const sample = (calls: number, failures = 0, p95Ms = 5): Sample => ({ calls, failures, p95Ms });
const verdict = (candidate: Sample, stable: Sample, changed: Partial<Thresholds> = {}): string | null =>
  compare(candidate, stable, { ...thresholds, ...changed })?.reason ?? null;

describe('a new version is worse than the old one', () => {
  test.each<[string, Sample, Sample, string | null]>([
    ['when more of its calls fail than may', sample(100, 6), sample(100), 'failure-ratio'],
    ['and not when exactly so many fail as may', sample(100, 5), sample(100), null],
    ['and not when the old one fails as often', sample(100, 40), sample(100, 38), null],
    ['by what it fails more often than the old one', sample(100, 44), sample(100, 38), 'failure-ratio'],
    ['also against an old one that had no calls', sample(20, 20), sample(0), 'failure-ratio'],
    ['when it takes more than three times as long', sample(100, 0, 91), sample(100, 0, 30), 'slow'],
    ['and not when it takes exactly three times as long', sample(100, 0, 90), sample(100, 0, 30), null],
    ['and not by a difference that is the machine’s', sample(100, 0, 20), sample(100, 0, 0.5), null],
    ['once that difference is 20 ms', sample(100, 0, 20.5), sample(100, 0, 0.5), 'slow'],
    ['and not in time, when the old one had too few calls to say', sample(100, 0, 500), sample(19, 0, 5), null],
    ['and not before it had enough calls', sample(19, 19, 500), sample(100), null],
    ['in failures before it is in time', sample(100, 50, 500), sample(100), 'failure-ratio'],
  ])('%s', (_, candidate, stable, reason) => {
    expect(verdict(candidate, stable)).toBe(reason);
  });

  test('in what is looked at, and in nothing else', () => {
    expect(verdict(sample(100, 100, 500), sample(100), { maxFailureRatio: null, maxP95Ratio: null })).toBeNull();
    expect(verdict(sample(100, 100, 500), sample(100), { maxFailureRatio: null })).toBe('slow');
    expect(verdict(sample(100, 100, 500), sample(100), { maxP95Ratio: null })).toBe('failure-ratio');
  });

  test('never without a call', () => {
    expect(verdict(sample(0), sample(100), { minCalls: 0 })).toBeNull();
    expect(verdict(sample(1, 1), sample(0), { minCalls: 0 })).toBe('failure-ratio');
  });

  test('is told with the numbers of both', () => {
    expect(compare(sample(200, 25), sample(50, 1), thresholds)?.detail).toBe("12.5 % of its last 200 calls failed, 2 % of the old version's");
    expect(compare(sample(20, 0, 250), sample(20, 0, 12.34), thresholds)?.detail).toBe("its 95th percentile is 250 ms, the old version's 12.3 ms");
  });
});
