import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeThrown, truncate } from '../../runner/thrown.ts';

describe('truncate', () => {
  test('keeps what fits, cuts what does not within the limit, and never through a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 32, max: 400 }), (text, bytes) => {
        const cut = truncate(text, bytes);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes);
        if (Buffer.byteLength(text) <= bytes) expect(cut).toBe(text);
        else expect(text.startsWith(cut.slice(0, -'… (truncated)'.length))).toBe(true);
      }),
    );
  });
});

describe('describeThrown', () => {
  test('makes bounded JSON of any value', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withTypedArray: true }), (value) => {
        const thrown = describeThrown(value);
        expect(typeof thrown.message).toBe('string');
        expect(JSON.stringify(thrown).length).toBeLessThan(128 * 1024);
      }),
    );
  });

  test('follows causes, five deep', () => {
    let error = new Error('0');
    for (let depth = 1; depth < 10; depth++) error = new Error(String(depth), { cause: error });
    const messages: string[] = [];
    for (let at: ReturnType<typeof describeThrown> | undefined = describeThrown(error); at !== undefined; at = at.cause) messages.push(at.message);
    expect(messages).toEqual(['9', '8', '7', '6', '5', '4']);
  });
});
