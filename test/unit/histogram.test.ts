/** How exact the histogram of times is, and what it takes to be so. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Histogram } from '../../src/telemetry/histogram.ts';

const MICROS = 1000;
const HOUR_MS = 3_600_000;

/** Of the times in ascending order. */
const exact = (times: readonly number[], share: number): number => times[Math.max(0, Math.ceil(share * times.length) - 1)]!;

describe('a histogram of times', () => {
  test('tells minimum, maximum and mean to the microsecond, and percentiles within one per cent', () => {
    const micros = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: HOUR_MS * MICROS }));
    fc.assert(
      fc.property(fc.array(micros, { minLength: 1, maxLength: 300 }), (recorded) => {
        const histogram = new Histogram();
        for (const time of recorded) histogram.record(time / MICROS);
        const times = recorded.toSorted((a, b) => a - b).map((time) => time / MICROS);
        const told = histogram.distribution();
        expect(histogram.count).toBe(times.length);
        expect([told.min, told.max]).toEqual([times[0], times.at(-1)]);
        expect(told.mean).toBeCloseTo(times.reduce((sum, time) => sum + time, 0) / times.length, 3);
        for (const [key, share] of [
          ['p50', 0.5],
          ['p90', 0.9],
          ['p99', 0.99],
        ] as const)
          expect(Math.abs(told[key] - exact(times, share))).toBeLessThanOrEqual(exact(times, share) * 0.01);
      }),
    );
  });

  test('takes any time: less than nothing is nothing, more than an hour is an hour', () => {
    const histogram = new Histogram();
    for (const ms of [-1, 0, 1e-9, 1e12, Infinity]) histogram.record(ms);
    expect(histogram.distribution()).toMatchObject({ min: 0, max: HOUR_MS, p50: 0 });
  });
});
