import { expect, test } from 'vitest';
import { TokenBucket } from '../../../src/resilience/rate.ts';

const taken = (bucket: TokenBucket, tries: number, now: number) => Array.from({ length: tries }, () => bucket.take(now)).filter(Boolean).length;

test('a burst is taken at once, then the rate is kept, and time at rest fills it no further than the burst', () => {
  const bucket = new TokenBucket(100, 20, 0);
  expect(taken(bucket, 1_000, 0)).toBe(20);
  expect(taken(bucket, 1_000, 50)).toBe(5);
  expect(taken(bucket, 1_000, 1e9)).toBe(20);
});
