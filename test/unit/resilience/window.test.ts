import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventWindow } from '../../../src/resilience/window.ts';

describe('events in a sliding window', () => {
  test('are counted as a list of all their times would count them, whatever the limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 80 }), fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 300 }), (limit, steps) => {
        const window = new EventWindow(limit, 1_000);
        const times: number[] = [];
        let now = 0;
        for (const step of steps) {
          now += step;
          times.push(now);
          const inside = times.filter((time) => now - time < 1_000).length;
          expect(window.add(now)).toBe(inside >= limit);
          expect(window.count(now)).toBe(Math.min(inside, limit));
        }
      }),
    );
  });

  test('cost no more memory than there are events, however large the limit', () => {
    const before = process.memoryUsage().arrayBuffers;
    const window = new EventWindow(2 ** 31, 1_000);
    for (let now = 0; now < 100_000; now += 10) expect(window.add(now)).toBe(false);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });
});
