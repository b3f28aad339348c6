import { expect, test } from 'vitest';
import { TokenBucket } from '../../../src/resilience/rate.ts';

test('a large one passes and is owed, others wait for it', () => {
  const bucket = new TokenBucket(1000, 100, 0);
  expect(bucket.takeAhead(0, 600)).toBe(true);
  expect(bucket.takeAhead(499, 1)).toBe(false);
  expect(bucket.takeAhead(502, 1)).toBe(true);
});

const taken = (bucket: TokenBucket, tries: number, now: number) => Array.from({ length: tries }, () => bucket.take(now)).filter(Boolean).length;

test('a burst is taken at once, then the rate is kept, and time at rest fills it no further than the burst', () => {
  const bucket = new TokenBucket(100, 20, 0);
  expect(taken(bucket, 1_000, 0)).toBe(20);
  expect(taken(bucket, 1_000, 50)).toBe(5);
  expect(taken(bucket, 1_000, 1e9)).toBe(20);
});
