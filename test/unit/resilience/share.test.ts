import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Share } from '../../../src/resilience/share.ts';

const percents = fc.integer({ min: 0, max: 10_000 }).map((n) => n / 100);
const taken = (share: Share, calls: number, key: (i: number) => string | undefined): number => {
  let count = 0;
  for (let i = 0; i < calls; i++) if (share.takes(key(i))) count++;
  return count;
};

describe('a share of the calls', () => {
  test.each([0, 1, 5, 33, 50, 99, 100])('without a key is exactly %d of every hundred', (percent) => {
    const share = new Share(percent);
    for (let hundred = 0; hundred < 50; hundred++) expect(taken(share, 100, () => undefined)).toBe(percent);
  });

  test('without a key comes evenly, however small it is', () => {
    fc.assert(
      fc.property(percents, fc.integer({ min: 1, max: 3_000 }), (percent, calls) => {
        // One off at the most, and what floating-point numbers lose.
        expect(Math.abs(taken(new Share(percent), calls, () => undefined) - (calls * percent) / 100)).toBeLessThanOrEqual(1.001);
      }),
    );
  });

  test('with keys takes every call of a key or none, and none that was in goes out as it grows', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(percents, { minLength: 1 }), (key, steps) => {
        const share = new Share(0);
        expect(share.takes(key)).toBe(false);
        let was = false;
        for (const percent of steps.toSorted((a, b) => a - b)) {
          share.percent = percent;
          const is = share.takes(key);
          expect(share.takes(key)).toBe(is);
          expect(is || !was).toBe(true);
          was = is;
        }
        share.percent = 100;
        expect(share.takes(key)).toBe(true);
      }),
    );
  });

  test.each<[string, (i: number) => string]>([
    ['numbered', (i) => `tenant-${i}`],
    ['numbers', (i) => String(i)],
    ['long and alike', (i) => `${'x'.repeat(100)}${i}${'y'.repeat(100)}`],
    ['in no Latin script', (i) => `客户-${String.fromCodePoint(0x4e00 + (i % 5_000))}${i}`],
  ])('with many keys that are %s is about that share of the keys', (_, key) => {
    for (const percent of [1, 5, 20, 50]) {
      const part = taken(new Share(percent), 20_000, key) / 20_000;
      expect(Math.abs(part - percent / 100)).toBeLessThan(0.012);
    }
  });

  test('of calls with a key and of those without are two things', () => {
    const share = new Share(50);
    expect(taken(share, 100, (i) => (i % 2 === 0 ? undefined : 'always-the-same'))).toBe(share.takes('always-the-same') ? 75 : 25);
  });
});
