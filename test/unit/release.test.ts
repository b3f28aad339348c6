/** What is given back is gone, and nothing else is. */
import { expect, test } from 'vitest';
import { release } from '../../src/rpc/release.ts';

const canRelease = 'transfer' in ArrayBuffer.prototype;

test('a large buffer that is all of its memory is given back, where Node can', () => {
  const bytes = Buffer.allocUnsafeSlow(2 ** 20);
  release(bytes);
  expect(bytes).toHaveLength(canRelease ? 0 : 2 ** 20);
});

test('what shares its memory with others stays, and what is small', () => {
  const whole = Buffer.allocUnsafeSlow(2 ** 20);
  const small = Buffer.allocUnsafeSlow(64);
  const pooled = Buffer.from('a text');
  for (const bytes of [whole.subarray(1), whole.subarray(0, -1), small, pooled]) {
    const { length } = bytes;
    release(bytes);
    expect(bytes).toHaveLength(length);
  }
  expect(whole).toHaveLength(2 ** 20);
});
