import { expect, test } from 'vitest';
import { sameJson } from '../../src/util/same-json.ts';

const nested = (depth: number, inmost: unknown): unknown => {
  let value = inmost;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
};

test.each<[unknown, unknown, boolean]>([
  [1, 1, true],
  [1, '1', false],
  [null, {}, false],
  [[], {}, false],
  [{ a: 1, b: [2] }, { b: [2], a: 1 }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: 1 }, { b: 1 }, false],
  [{ toString: 1 }, { a: 1 }, false],
  [[1, 2], [2, 1], false],
])('%j and %j: %j', (one, other, same) => {
  expect(sameJson(one, other)).toBe(same);
});

test('nests as deep as JSON can', () => {
  expect(sameJson(nested(10_000, 1), nested(10_000, 1))).toBe(true);
  expect(sameJson(nested(10_000, 1), nested(10_000, 2))).toBe(false);
});

test('looks at no more than it can afford', () => {
  const long = (last: number): object[] => Array.from({ length: 50_000 }, (_, i) => ({ i: i === 0 ? last : i }));
  const [one, other] = [long(1), long(2)];
  expect(sameJson(one, other)).toBe(true);
});

test('tells bytes apart, however many, and from what only looks like them', () => {
  const large = (last: number): Uint8Array => new Uint8Array(2 ** 23).fill(last, -1);
  expect(sameJson({ a: large(1) }, { a: Buffer.from(large(1)) })).toBe(true);
  expect(sameJson({ a: large(1) }, { a: large(2) })).toBe(false);
  expect(sameJson(new Uint8Array([1]), { '0': 1 })).toBe(false);
});
