/** What JSON.parse makes of a text is the measure: an equal value, or a refusal, however the text is cut. A failure prints its seed. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_MEMBERS } from '../../src/protocol/json.ts';
import { SlicedJson } from '../../src/protocol/sliced-json.ts';

const REFUSED = Symbol('refused');
const PIECES = [1, 2, 3, 5, 8, 13, 64, undefined];

function parse(bytes: Buffer, pieceBytes?: number): unknown {
  const json = new SlicedJson(Buffer.from(bytes), Infinity, pieceBytes);
  try {
    while (!json.step());
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    return REFUSED;
  }
  expect(json.values, 'counted values').toBe(valuesIn(bytes));
  return json.value;
}

/** Arrays, objects and their members, those of repeated keys too. */
function valuesIn(bytes: Buffer): number {
  const withoutStrings = bytes.toString('latin1').replace(/"(?:[^"\\]|\\.)*"/g, 's');
  const empty = withoutStrings.match(/\[\s*\]|\{\s*\}/g)?.length ?? 0;
  return 1 + (withoutStrings.match(/[[{,]/g)?.length ?? 0) - empty;
}

function expected(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return REFUSED;
  }
}

/** As text as well, because the order of members counts. */
function expectAsJsonParse(text: string | Buffer, pieces: readonly (number | undefined)[] = PIECES): void {
  const bytes = Buffer.from(text as string);
  const wanted = expected(bytes);
  for (const pieceBytes of pieces) {
    const value = parse(bytes, pieceBytes);
    const isSame = isDeepStrictEqual(value, wanted) && JSON.stringify(value) === JSON.stringify(wanted);
    expect(isSame, `pieces of ${pieceBytes}: ${bytes.toString().slice(0, 200)}`).toBe(true);
  }
}

const TEXTS = [
  '{"a":1,"b":[1,2,{"c":null}],"d":"x"}',
  ' [ 1 , 2 , [ ] , { } , "a" ] ',
  '{"__proto__":{"x":1},"constructor":[1],"toString":2,"a":{"__proto__":[[]]}}',
  '{"b":1,"1":2,"a":3,"0":{"x":[1]},"b":[[4]],"1":{}}',
  '{"a":{"deep":[[[[[1,2],[3]],{}]]]},"a":[]}',
  '{"k\\u00e9y \\"quoted\\"":"\\ud83d\\ude00 \\ud800 \\\\ \\n","é世👋":"é世👋🏽"}',
  '[-0,1e3,1E-7,0.1,123456789012345678901234567890,1e999,true,false,null]',
  '["",{"":{"":""}},[[]],"\\"",",","[","{","]","\\\\"]',
  '""',
  '0',
  'null',
  '\t\r\n 1',
  '[[[[[[[[[[]]]]]]]]]]',
];
// prettier-ignore
const NOT_JSON = [
  '', ' ', '[', ']', '{', '}', ',', ':', '"', '"a', '[1', '[1,', '[1,]', '[,1]', '[,]', '[1,,2]', '[1 2]', '[1][2]', '1 2', '1,2', '[]]', '[}',
  '{]', '{"a"}', '{"a":}', '{"a":1,}', '{,"a":1}', '{,}', '{"a":1,,"b":2}', '{"a" 1}', '{a:1}', '{1:1}', '{"a":1]', '[{"a":1]}', '{"a":5[1]}',
  '{"a":1 "b":2}', '{"a"::1}', '{[1]:2}', '{"a":[1]:2}', '[1:2]', '["a":1]', '[1[2]]', '[[1]2]', '[{}{}]', '{"a":{}1}', '{"a":"b"[]}', '{null}',
  '{null:1}', '["\n"]', '["\\x"]', '["\\u12"]', '["\\u12g4"]', '["\\', '["\\"', '["\\u', '[01]', '[+1]', '[.5]', '[1.]', '[1e]', '[-]', '[0x1]',
  '[tru]', '[truefalse]', '[nul]', '[NaN]', '[Infinity]', '[undefined]', "['a']", '[1]x', 'x[1]', '\u{feff}[1]', '[\u00a01]', '/**/1', '[1]\0',
];

describe('is read as JSON.parse reads it, cut anywhere', () => {
  test.each(TEXTS)('%s', (text) => expectAsJsonParse(text));

  test.each(NOT_JSON)('what is no JSON: %j', (text) => {
    expect(expected(Buffer.from(text))).toBe(REFUSED);
    expectAsJsonParse(text);
  });

  test('20,000 texts of every shape, whole and with a few bytes changed', () => {
    const value = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' });
    const change = fc.tuple(fc.nat(), fc.constantFrom(...'{}[],:"\\ux0 e-.\n'.split(''), '__proto__', '\x80', '"a":', '[]'), fc.nat({ max: 2 }));
    const piece = fc.constantFrom(...PIECES);
    fc.assert(
      fc.property(value, fc.array(change, { maxLength: 2 }), fc.nat({ max: 2 }), piece, (json, changes, indent, pieceBytes) => {
        let text = JSON.stringify(json, null, indent);
        for (const [at, by, over] of changes) {
          const place = at % text.length;
          text = text.slice(0, place) + by + text.slice(place + over);
        }
        expectAsJsonParse(text, [pieceBytes]);
      }),
      { numRuns: 20_000 },
    );
  });

  test('5,000 strings of any bytes, UTF-8 or not', () => {
    const unit = fc.constantFrom(
      0x22,
      0x5c,
      0x61,
      0x75,
      0x30,
      0x7f,
      0x80,
      0xbf,
      0xc2,
      0xc3,
      0xe4,
      0xb8,
      0x96,
      0xed,
      0xa0,
      0xf0,
      0x9f,
      0x91,
      0x8b,
      0xff,
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 60 }), fc.constantFrom(...PIECES), (units, pieceBytes) => {
        expectAsJsonParse(Buffer.from([0x5b, 0x22, ...units, 0x22, 0x5d]), [pieceBytes]);
      }),
      { numRuns: 5_000 },
    );
  });

  test('strings that are cut before, in and after every escape and every character', () => {
    for (const unit of ['\\u4e16', '\\ud83d\\ude00', '\\"', '\\\\', 'é', '世', '👋', '\\u00e9\u{80}'])
      for (let before = 0; before < 40; before++)
        expectAsJsonParse(`{"${'x'.repeat(before)}${unit.repeat(9)}":"${'x'.repeat(before)}${unit.repeat(9)}"}`);
  });

  test('long plain strings with one thing that is not, anywhere in a string of several goes', () => {
    for (const unit of ['\\n', '\\u4e16', '\\ud83d\\ude00', 'é', '世', '👋', '"', '\n', '\u{0}', '\u{1f}'])
      for (let before = 0; before < 1_100; before += before % 512 < 40 || before % 512 > 480 ? 1 : 9)
        expectAsJsonParse(`{"${'x'.repeat(before)}${unit}":["${'é'.repeat(before)}${unit}${'x'.repeat(1_000)}"]}`, [1, 3]);
  });

  test('a string, a key and a number of many pieces', () => {
    for (const unit of ['x', 'é', '世', '👋', 'x世', '\\u4e16', '\\n', '\\"', 'abc\\\\'])
      expectAsJsonParse(`{"${unit.repeat(100_001)}":["${unit.repeat(300_000)}"]}`, [undefined]);
    expectAsJsonParse(`[${'1'.repeat(1_000_000)},${' '.repeat(1_000_000)}-0.${'1'.repeat(1_000_000)}e-5]`, [undefined]);
    expectAsJsonParse(Buffer.concat([Buffer.from('"'), Buffer.alloc(1_000_000, 0xff), Buffer.from('"')]), [undefined]);
  });

  test('many small things', () => {
    for (const item of ['[]', '{}', '1', '""', '{"a":0}', '[[1],[2]]', 'null']) expectAsJsonParse(`[${`${item},`.repeat(100_000)}0]`, [undefined]);
    const keys = Array.from({ length: 100_000 }, (_, i) => `"${(i * 7919) % 100_003}${i % 3 === 0 ? 'k' : ''}":{"${i}":[]}`);
    expectAsJsonParse(`{${keys.join()}}`, [undefined]);
  });
});

test('also where Object.prototype cannot be written, and never through a setter', () => {
  const set: unknown[] = [];
  const everyObject: object = Object.prototype;
  Object.defineProperty(everyObject, 'trap', { configurable: true, set: set.push.bind(set) });
  try {
    expect(Object.entries(parse(Buffer.from('{"trap":[1],"__proto__":2}'), 2) as object)).toEqual([
      ['trap', [1]],
      ['__proto__', 2],
    ]);
  } finally {
    delete (everyObject as { trap?: unknown }).trap;
  }
  expect(set).toEqual([]);
});

describe('its bounds', () => {
  const reasonOf = (text: string): string => {
    const json = new SlicedJson(Buffer.from(text));
    try {
      while (!json.step());
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };

  test('131,072 levels, more than one go may find, are read; more are refused before they cost memory', () => {
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    expect(reasonOf(nested(131_072))).toBe('accepted');
    expect(reasonOf(nested(131_073))).toBe('nested more than 131072 levels deep');
    expect(reasonOf('{"":'.repeat(4_000_000))).toBe('nested more than 131072 levels deep');
  });

  test('262,144 members of an object are read, one more is refused', () => {
    const members = (count: number): string => `[{${Array.from({ length: count }, (_, i) => `"${i}k":0`).join()}}]`;
    expect(reasonOf(members(MAX_MEMBERS))).toBe('accepted');
    expect(reasonOf(members(MAX_MEMBERS + 1))).toBe('an object has more than 262144 members');
  });

  const outlineOf = (text: string, maxValues: number, pieceBytes?: number): unknown => {
    const json = new SlicedJson(Buffer.from(text), maxValues, pieceBytes);
    while (!json.step());
    return json.outline;
  };
  const DENSE = {
    'empty objects': '{},',
    'empty arrays': '[ ],',
    numbers: '1.5,',
    strings: '"ab",',
    'nested arrays': '[[[1]]],',
    'repeated keys': '{"a":1,"a":2},',
    'objects of one member': '{"a":null},',
  };

  test.each(Object.entries(DENSE))('of a message with too many %s the id and the method are kept, wherever they stand', (_, each) => {
    const members = `"result":[${each.repeat(200)}0],"data":{"id":5,"inner":[{"method":"x"}]}`;
    for (const pieceBytes of PIECES) {
      for (const text of [`{"id":7,"method":"m",${members}}`, `{${members},"id":7,"method":"m"}`, `{"method":"m",${members},"id":7}`])
        expect(outlineOf(text, 100, pieceBytes)).toEqual({ id: 7, method: 'm' });
      expect(outlineOf(`{${members}}`, 100, pieceBytes)).toEqual({});
      expect(outlineOf(`[{"id":7},${each.repeat(200)}0]`, 100, pieceBytes)).toEqual({});
    }
  });

  test('the bound is exact, and the text behind it is still checked', () => {
    const items = (count: number): string => `{"id":1,"result":[${'{},'.repeat(count - 4)}0]}`;
    expect(outlineOf(items(100), 100)).toBe(null);
    expect(outlineOf(items(101), 100)).toEqual({ id: 1 });
    expect(() => outlineOf(`${items(1_000_000)}]`, 100)).toThrow(SyntaxError);
    expect(() => outlineOf(items(1_000_000).slice(0, -1), 100)).toThrow(SyntaxError);
  });
});
