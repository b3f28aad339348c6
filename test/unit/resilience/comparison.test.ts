import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Thresholds } from '../../../src/options.ts';
import { failsMore, isSlower, isSlowerBeside, seemsSlower, type ComparedCall } from '../../../src/resilience/comparison.ts';

const thresholds: Thresholds = { maxFailureRatio: 0.05, maxP95Ratio: 3, minCalls: 20 };
const call = (ranMs: number, waitedMs = 0, method = 'echo'): ComparedCall => ({ method, ranMs, waitedMs, failed: false });
const many = (count: number, each: ComparedCall): ComparedCall[] => Array.from({ length: count }, () => each);
const failing = (calls: number, failures: number): ComparedCall[] => [
  ...many(failures, { ...call(5), failed: true }),
  ...many(calls - failures, call(5)),
];
const again = (calls: number, failures: number): { failed: boolean }[] => Array.from({ length: calls }, (_, i) => ({ failed: i < failures }));

describe('a new version fails more than the old one', () => {
  const verdict = (candidate: ComparedCall[], stable: ComparedCall[], second: { failed: boolean }[] = []): string | null =>
    failsMore({ candidate, stable }, second, thresholds)?.reason ?? null;

  test.each<[string, ComparedCall[], ComparedCall[], string | null]>([
    ['when more of its calls fail than may', failing(100, 6), failing(100, 0), 'failure-ratio'],
    ['and not when exactly so many fail as may', failing(100, 5), failing(100, 0), null],
    ['and not when the old one fails as often', failing(100, 40), failing(100, 38), null],
    ['by as much as it fails more often than the old one', failing(100, 44), failing(100, 38), 'failure-ratio'],
    ['also against an old one that had no calls', failing(20, 20), [], 'failure-ratio'],
    ['and not before it had enough calls', failing(19, 19), failing(100, 0), null],
  ])('%s', (_, candidate, stable, reason) => {
    expect(verdict(candidate, stable)).toBe(reason);
  });

  test('and not with calls that fail on the old version too when they are run again there', () => {
    expect(verdict(failing(100, 50), failing(100, 0), again(50, 50))).toBeNull();
    expect(verdict(failing(100, 50), failing(100, 0), again(50, 0))).toBe('failure-ratio');
    expect(verdict(failing(100, 50), failing(100, 0), again(50, 25))).toBe('failure-ratio');
  });

  test('is told with the numbers of both', () => {
    const detail = "12.5 % of its last 200 calls failed, 2 % of the old version's";
    expect(failsMore({ candidate: failing(200, 25), stable: failing(50, 1) }, [], thresholds)?.detail).toBe(detail);
  });
});

describe('a new version is slower than the old one', () => {
  const verdict = (candidate: ComparedCall[], stable: ComparedCall[], changed: Partial<Thresholds> = {}): string | null =>
    isSlower({ candidate, stable }, { ...thresholds, ...changed })?.reason ?? null;

  test.each<[string, ComparedCall[], ComparedCall[], string | null]>([
    ['when it takes more than three times as long', many(100, call(91)), many(100, call(30)), 'slow'],
    ['and not when it takes exactly three times as long', many(100, call(90)), many(100, call(30)), null],
    ['and not by a difference under 20 ms', many(100, call(20)), many(100, call(0.5)), null],
    ['once the difference is 20 ms', many(100, call(20.5)), many(100, call(0.5)), 'slow'],
    ['when one call in ten is', [...many(90, call(5)), ...many(10, call(200))], many(100, call(5)), 'slow'],
    ['and not when one call in twenty is', [...many(95, call(5)), ...many(5, call(200))], many(100, call(5)), null],
    ['and not when the old one had too few calls to say', many(100, call(500)), many(19, call(5)), null],
    ['and not before it had enough calls', many(19, call(500)), many(100, call(5)), null],
    ['and not when its calls only waited for the machine', many(100, call(300, 290)), many(100, call(5)), null],
    ['also when both waited for the machine', many(100, call(400, 300)), many(100, call(120, 100)), 'slow'],
    ['and not when the old one waited longer in all', many(100, call(60, 0)), many(100, call(90, 90)), null],
    ['and not when it has only other calls', many(100, call(900, 0, 'report')), many(100, call(1)), null],
    [
      'and not when it has more of the slow calls',
      [...many(50, call(1)), ...many(100, call(900, 0, 'report'))],
      [...many(100, call(1)), ...many(30, call(900, 0, 'report'))],
      null,
    ],
    ['and not with calls that failed', many(100, { ...call(900), failed: true }), many(100, call(1)), null],
  ])('%s', (_, candidate, stable, reason) => {
    expect(verdict(candidate, stable)).toBe(reason);
  });

  test('only where that is looked at', () => {
    expect(verdict(many(100, call(500)), many(100, call(5)), { maxP95Ratio: null })).toBeNull();
  });

  test('never without a call', () => {
    expect(verdict([], many(100, call(5)), { minCalls: 0 })).toBeNull();
    expect(verdict([call(900)], [call(5)], { minCalls: 0 })).toBe('slow');
  });

  test('is told with the numbers of both', () => {
    const detail = "its 95th percentile is 250 ms, the old version's 12.3 ms";
    expect(isSlower({ candidate: many(20, call(250)), stable: many(20, call(12.34)) }, thresholds)?.detail).toBe(detail);
  });

  test('never by what all its calls waited, whatever that was', () => {
    const ownMs = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(ownMs, fc.array(fc.nat(5_000), { minLength: 20, maxLength: 100 }), (own, waits) => {
        const candidate = waits.map((waited) => call(own + waited, waited));
        expect(verdict(candidate, many(waits.length, call(own)))).toBeNull();
      }),
    );
  });
});

describe('with calls at the same time a new version is slower', () => {
  /** Up to 60 ms more for each, as on a busy machine, of which nothing is known. */
  const busy = (ownMs: number): ComparedCall[] => Array.from({ length: 40 }, (_, i) => call(ownMs + ((i * 17) % 40) * 1.5));
  const verdict = (candidate: ComparedCall[], stable: ComparedCall[]): string | null =>
    isSlowerBeside({ candidate, stable }, thresholds)?.reason ?? null;

  test('when most of its calls are, however the machine delays both', () => {
    expect(verdict(busy(90), busy(20))).toBe('slow');
    expect(isSlower({ candidate: busy(90), stable: busy(20) }, thresholds)).toBeNull();
  });

  test('and not when the machine delays both', () => {
    expect(verdict(busy(20), busy(20))).toBeNull();
    expect(verdict(busy(40), busy(20))).toBeNull();
  });
});

test('a version seems slower long before that is certain, and a version that is as fast does not', () => {
  expect(seemsSlower({ candidate: many(20, call(60, 60)), stable: many(20, call(20)) }, thresholds)).toBe(true);
  expect(seemsSlower({ candidate: many(20, call(30)), stable: many(20, call(20)) }, thresholds)).toBe(false);
  expect(seemsSlower({ candidate: many(20, call(60)), stable: many(20, call(20)) }, { ...thresholds, maxP95Ratio: null })).toBe(false);
});
