import { describe, expect, test } from 'vitest';
import { argsToJson, isTooDeep, MAX_MEMBERS, NotJson, stringToJson, toJson } from '../../src/protocol/json.ts';

function refusal(value: unknown): { path: string; reason: string } {
  try {
    toJson(value, 'result');
  } catch (error) {
    if (error instanceof NotJson) return { path: error.path, reason: error.reason };
    throw error;
  }
  throw new Error('it was taken');
}

/** `levels` arrays, each in the next. */
function nested(levels: number, inner: unknown = 0): unknown {
  let value = inner;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

describe('what JSON cannot carry is refused with its path', () => {
  const cycle: Record<string, unknown> = { name: 'loop' };
  cycle.self = { again: cycle };
  const row: unknown[] = [1];
  row.push({ row });

  test.each<[string, unknown, string, string]>([
    ['a BigInt', 1n, 'result', 'a bigint'],
    ['a BigInt inside', { a: [0, { b: 1n }] }, 'result.a[1].b', 'a bigint'],
    ['a function', () => 1, 'result', 'a function'],
    ['a function inside, which JSON would leave out', { ok: 1, list: [1, { onDone: () => 1 }] }, 'result.list[1].onDone', 'a function'],
    ['a function in an array, which JSON would make null', [() => 1], 'result[0]', 'a function'],
    ['the first of several', { a: { b: [1, 2n] }, c: () => 1 }, 'result.a.b[1]', 'a bigint'],
    ['one at the end of a long array', [...Array.from({ length: 300_000 }, () => 0), 1n], 'result[300000]', 'a bigint'],
    ['a symbol', Symbol('x'), 'result', 'a symbol'],
    ['a symbol inside', { a: Symbol('x') }, 'result.a', 'a symbol'],
    ['a cycle', cycle, 'result.self.again', 'a cycle'],
    ['a cycle through an array', row, 'result[1].row', 'a cycle'],
  ])('%s', (_, value, path, reason) => {
    expect(refusal(value)).toEqual({ path, reason });
  });

  test.each([
    ['a getter that throws', Object.defineProperty({}, 'x', { enumerable: true, get: () => fail('no access') })],
    ['toJSON that throws', { toJSON: () => fail('no access') }],
    ['a proxy whose traps throw', { inner: new Proxy({}, { ownKeys: () => fail('no access') }) }],
  ])('%s', (_, value) => {
    expect(refusal(value)).toEqual({ path: 'result', reason: 'no access' });
  });

  test('a getter that throws what cannot be read', () => {
    const unreadable = { toString: () => fail('never') };
    const value = Object.defineProperty({}, 'x', { enumerable: true, get: () => throwIt(unreadable) });
    expect(refusal(value)).toEqual({ path: 'result', reason: 'unknown' });
  });

  test('a depth of 10⁵, and the stack survives it', () => {
    expect(refusal(nested(100_000)).reason).toMatch(/nested more than 10000 levels deep|call stack/);
    let object: object = {};
    for (let i = 0; i < 100_000; i++) object = { object };
    expect(refusal(object).reason).toMatch(/nested more than 10000 levels deep|call stack/);
  });

  test('of many arguments the right one is named', () => {
    expect(() => argsToJson([1, 'a', { when: 5n }])).toThrow('arguments[2].when: a bigint');
    expect(() => argsToJson([1n])).toThrow('arguments[0]: a bigint');
  });
});

describe('what JSON carries', () => {
  class Point {
    x = 1;
    move(): void {}
  }

  test.each<[string, unknown, string]>([
    ['a string', 'a"\n\u2028', JSON.stringify('a"\n\u2028')],
    ['undefined, which becomes null', undefined, 'null'],
    ['NaN and infinities, which become null', [NaN, Infinity, -0], '[null,null,0]'],
    ['null', null, 'null'],
    ['a date', { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    ['a Buffer', Buffer.from([1, 2]), '{"type":"Buffer","data":[1,2]}'],
    ['a typed array', new Uint8Array([1, 2]), '{"0":1,"1":2}'],
    ['an undefined property, which is left out', { a: undefined, b: 1 }, '{"b":1}'],
    ['an instance of a class, whose methods stay at home', new Point(), '{"x":1}'],
    ['methods of an old-fashioned prototype', Object.assign(Object.create({ inherited() {} }) as object, { own: 1 }), '{"own":1}'],
    ['an object that says itself what it is', { toJSON: () => ({ f: 1 }), hidden() {} }, '{"f":1}'],
    ['the same object twice, which is no cycle', ((twin) => [twin, twin])({ a: 1 }), '[{"a":1},{"a":1}]'],
    ['a lone surrogate, escaped', '\uD800', '"\\ud800"'],
  ])('%s', (_, value, json) => {
    expect(toJson(value, 'result')).toBe(json);
  });

  test('a thousand levels', () => {
    expect(toJson(nested(1_000), 'result')).toBe(`${'['.repeat(1_000)}0${']'.repeat(1_000)}`);
  });

  test('arguments, as one array', () => {
    expect(argsToJson([]).json).toBe('[]');
    expect(argsToJson([undefined]).json).toBe('[null]');
    expect(argsToJson([1, undefined, { a: 1 }]).json).toBe('[1,null,{"a":1}]');
  });

  // F56
  test('keys such as __proto__ make the round trip as keys, and nothing is polluted', () => {
    const text = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1}';
    const value: unknown = JSON.parse(text);
    expect(toJson(value, 'result')).toBe(text);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

test('of an object 262,144 members are carried, and one more is refused; an array may have more items', () => {
  const members = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 0]));
  const most = members(MAX_MEMBERS);
  expect(toJson({ most }, 'result')).toHaveLength(JSON.stringify({ most }).length);
  expect(refusal({ a: [members(MAX_MEMBERS + 1)] })).toEqual({ path: 'result.a[0]', reason: 'an object of more than 262144 members' });
  expect(
    toJson(
      Array.from({ length: MAX_MEMBERS + 1 }, () => 0),
      'result',
    ),
  ).toHaveLength(2 * MAX_MEMBERS + 3);
});

test('what is deeper than a hundred levels is too deep to print, and finding that out takes no deep stack', () => {
  expect(isTooDeep(nested(100))).toBe(false);
  expect(isTooDeep(nested(101))).toBe(true);
  expect(isTooDeep({ a: 1, b: nested(100_000) })).toBe(true);
  expect([null, 1, 'x', [], {}].map((value) => isTooDeep(value))).toEqual([false, false, false, false, false]);
});

function fail(message: string): never {
  throw new Error(message);
}

function throwIt(value: unknown): never {
  // eslint-disable-next-line typescript/only-throw-error -- as plugin code may
  throw value;
}

describe('a long string', () => {
  const UNITS = ['', '"', '\\', '\n', '\u{0}', '\u{1f}', '\u{7f}', '\u{80}', 'é', '世', '👋', '\ud83d', '\ude00', '\u{fffd}', '\u{2028}'];

  test.each(UNITS)('is what JSON makes of it, with %j anywhere', (unit) => {
    for (const length of [16_383, 16_384, 40_000])
      for (const at of [0, 1, 2, 3, 1_022, 1_023, 1_024, 1_025, 1_026, 16_000, 16_382])
        for (const [open, close] of [
          ['', ''],
          ['[', ']'],
        ] as const) {
          const text = 'x'.repeat(at) + unit + 'y'.repeat(length - at);
          expect(String(stringToJson(text, open, close)) === open + JSON.stringify(text) + close).toBe(true);
        }
  });

  test.each(UNITS)('is what JSON makes of it, with %j at its end', (unit) => {
    for (let length = 16_380; length < 16_420; length++) {
      const text = 'x'.repeat(length) + unit;
      expect(String(stringToJson(text)) === JSON.stringify(text)).toBe(true);
    }
  });
});
