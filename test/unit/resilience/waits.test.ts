import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Waits } from '../../../src/resilience/waits.ts';

test('waiting between two times is that of all readings that touch them, in full', () => {
  const reading = fc.record({ step: fc.integer({ min: 1, max: 50 }), waitedMs: fc.nat(100) });
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 300 }), fc.nat(5_000), fc.nat(2_000), (readings, from, lengthMs) => {
      const waits = new Waits();
      const to = from + lengthMs;
      let at = 0;
      let expected = 0;
      for (const { step, waitedMs } of readings) {
        if (at < to && at + step > from) expected += waitedMs;
        at += step;
        waits.add(at, waitedMs);
      }
      if (lengthMs > 0) expect(waits.between(from, to)).toBe(expected);
    }),
  );
});

test('nothing is known before the first reading, and of the oldest readings no more', () => {
  expect(new Waits().between(0, 1_000)).toBe(0);
  const waits = new Waits();
  for (let at = 1; at <= 10_000; at++) waits.add(at, 1);
  expect(waits.between(9_000, 9_100)).toBe(100);
  expect(waits.between(9_990, 20_000)).toBe(10);
});
