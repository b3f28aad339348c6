import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { breakingChanges } from '../../src/catalog/contract.ts';
import type { MethodInfo } from '../../src/index.ts';

const methods = (...list: [string, MethodInfo?][]): Map<string, MethodInfo> => new Map(list.map(([name, info = {}]) => [name, info]));
const greet = (info: MethodInfo): Map<string, MethodInfo> => methods(['greet', info]);
/** What is said of a first argument whose schema was this and is that. */
const said = (before: unknown, now: unknown): string[] =>
  breakingChanges(greet({ params: { prefixItems: [before] } }), greet({ params: { prefixItems: [now] } }));
const object = (properties: object, more: object = {}): object => ({ type: 'object', properties, ...more });
const [string, number, integer] = ['string', 'number', 'integer'].map((type) => ({ type })) as [object, object, object];

describe('methods', () => {
  test('that are gone are named, those that are new are welcome', () => {
    expect(breakingChanges(methods(['greet'], ['old'], ['older']), methods(['greet'], ['new']))).toEqual(['old is gone', 'older is gone']);
  });

  test('with a name that no line should hold as it is are quoted', () => {
    expect(breakingChanges(methods(['a\nb']), methods())).toEqual(['"a\\nb" is gone']);
  });

  test('with other declarations than schemas are the same', () => {
    expect(breakingChanges(greet({ idempotent: true, timeoutMs: 5 }), greet({ errorsAreFailures: false }))).toEqual([]);
  });
});

describe('arguments', () => {
  test.each<[string, unknown, unknown]>([
    ['another type besides', string, { type: ['string', 'null'] }],
    ['a number in place of an integer', integer, number],
    ['anything', string, {}],
    ['anything, said as true', string, true],
    ['something where nothing was', false, string],
    ['another value', { enum: ['a', 'b'] }, { enum: ['b', 'c', 'a'] }],
    ['another value besides the only one', { const: 'a' }, { enum: ['a', 'b'] }],
    ['any string in place of some', { type: 'string', enum: ['a', 'b'] }, string],
    ['some values, by their type', { enum: ['a', 1, null] }, { type: ['string', 'number', 'null'] }],
    ['some values, within bounds', { enum: ['ab', 5, [1], { a: 1 }] }, { minLength: 2, minimum: 5, minItems: 1, required: ['a'], maxProperties: 1 }],
    ['lower and higher bounds', { minimum: 3, maxLength: 5, minItems: 2 }, { minimum: 2, maxLength: 6, minItems: 1 }],
    ['no bounds', { type: 'string', minLength: 3, pattern: 'x', format: 'email' }, string],
    ['the bound itself, too', { exclusiveMinimum: 3, exclusiveMaximum: 9 }, { minimum: 3, maximum: 9 }],
    ['a bound that excludes what was never there', { minimum: 3 }, { exclusiveMinimum: 2 }],
    ['bounds that say nothing', {}, { minLength: 0, minItems: 0, minProperties: 0 }],
    ['strings with a bound where numbers were', integer, { type: ['integer', 'string'], minLength: 1, pattern: '^x' }],
    ['a property that is no longer required', object({ a: string }, { required: ['a'] }), object({ a: string })],
    ['a property that nobody could give', object({ a: string }, { additionalProperties: false }), object({ a: string, b: number })],
    ['other properties', object({ a: string }, { additionalProperties: false }), object({ a: string })],
    ['other properties of some kind', object({}, { additionalProperties: false }), object({}, { additionalProperties: number })],
    ['what was declared as it lets others be', object({ a: string }), object({}, { additionalProperties: true })],
    ['wider items', { type: 'array', items: integer }, { type: 'array', items: number }],
    ['one more item', { prefixItems: [string], items: false }, { prefixItems: [string, number] }],
    ['one more item, in other words', { prefixItems: [string], maxItems: 1 }, { prefixItems: [string, number], maxItems: 2 }],
    ['one more item, in the words of draft 7', { items: [string], additionalItems: false }, { items: [string, number], additionalItems: false }],
    ['the same number of items, in other words', { prefixItems: [string], items: false }, { prefixItems: [string], maxItems: 1 }],
    ['another case', { anyOf: [string, { type: 'null' }] }, { anyOf: [{ type: 'null' }, number, string] }],
    ['a case in place of the only one', object({ a: string }), { anyOf: [object({ a: string }), string] }],
    ['all cases as one', { oneOf: [string, integer] }, { type: ['number', 'string'] }],
    ['the same with other words for people', { type: 'string', title: 'A', default: 'a' }, { type: 'string', description: 'B', 'x-order': 1 }],
    ['what says the same in another order', { type: 'string', minLength: 1 }, { minLength: 1, type: 'string' }],
    ['deeper inside', object({ a: object({ b: integer }) }), object({ a: object({ b: number }) })],
    ['the same of an unknown kind', { not: string, minLength: 5 }, { not: string, minLength: 4 }],
  ])('may be %s', (_, before, now) => {
    expect(said(before, now)).toEqual([]);
  });

  test.each<[string, unknown, unknown, string]>([
    ['another type', string, number, 'no longer takes string'],
    ['an integer in place of a number', number, integer, 'no longer takes number'],
    ['one type of several', { type: ['string', 'null', 'object'] }, string, 'no longer takes null or object'],
    ['a type where anything was', {}, string, 'takes only string'],
    ['nothing', string, false, 'is no longer taken'],
    ['fewer values', { enum: ['a', 'b', 'c'] }, { enum: ['a'] }, 'no longer takes "b", "c"'],
    ['some values of a type', string, { enum: ['a', 'b'] }, 'takes only "a", "b"'],
    ['values that do not fit a type', { enum: ['a', 1] }, string, 'no longer takes 1'],
    ['values that are out of bounds', { enum: [1, 5] }, { minimum: 3 }, 'no longer takes 1'],
    ['values inside', { enum: [{ a: 1 }, { a: 'x' }] }, object({ a: number }), 'no longer takes {…}'],
    ['a higher bound', { minimum: 3 }, { minimum: 5 }, ': minimum is now 5, it was 3'],
    ['a bound where none was', string, { type: 'string', maxLength: 5 }, ': maxLength is now 5, there was none'],
    ['a bound that excludes itself', { minimum: 3 }, { exclusiveMinimum: 3 }, ': exclusiveMinimum is now 3, there was none'],
    ['a pattern', string, { type: 'string', pattern: 'x' }, ': pattern was changed'],
    ['another format', { format: 'date' }, { format: 'time' }, ': format was changed'],
    ['a property that is required', object({ a: string }), object({ a: string }, { required: ['a', 'b'] }), 'now requires "a", "b"'],
    ['a narrower property', object({ a: number }), object({ a: integer }), '.a no longer takes number'],
    ['a property of some kind that could be any', object({}), object({ 'a b': string }), '["a b"] takes only string'],
    ['no other properties', object({ a: string }), object({ a: string }, { additionalProperties: false }), '.* is no longer taken'],
    [
      'no such property',
      object({ a: string }, { additionalProperties: false }),
      object({}, { additionalProperties: false }),
      '.a is no longer taken',
    ],
    [
      'a property that a pattern let be anything',
      { patternProperties: { '^x': {} }, additionalProperties: false },
      object({ x1: string }),
      ' takes only object',
    ],
    ['narrower items', { items: {} }, { items: string }, '[] takes only string'],
    ['one item less', { prefixItems: [string, number] }, { prefixItems: [string], items: false }, '[1] is no longer taken'],
    ['an item of some kind that could be any', { prefixItems: [string] }, { prefixItems: [string, number] }, '[1] takes only number'],
    ['one case less', { anyOf: [string, { type: 'null' }] }, string, 'no longer takes null'],
    ['one case of several less', { anyOf: [string, number] }, { anyOf: [string, { type: 'null' }] }, 'no longer takes number'],
    [
      'deeper inside',
      object({ a: { items: object({ b: number }) } }),
      object({ a: { items: object({ b: string }) } }),
      '.a[].b no longer takes number',
    ],
    ['a choice of which nobody can tell', { oneOf: [string] }, { oneOf: [string, { minLength: 3 }] }, ': oneOf was changed'],
    ['a keyword that nobody knows', { colour: 'red' }, { colour: 'blue' }, ': colour was changed'],
    ['a keyword less that nobody knows', { ...number, colour: 'red' }, number, ': colour was changed'],
    ['what is no schema', 5, 6, ' was changed'],
  ])('may not be %s', (_, before, now, line) => {
    expect(said(before, now)[0]).toBe(`greet: params[0]${line.startsWith(' ') || /^[:.[]/.test(line) ? '' : ' '}${line}`);
  });

  test('each narrowing has a line of its own', () => {
    const before = { type: 'array', prefixItems: [string, object({ a: number, b: string })] };
    const now = { type: 'array', prefixItems: [number, object({ a: integer, b: string }, { required: ['b'] })], minItems: 2 };
    expect(breakingChanges(greet({ params: before }), greet({ params: now }))).toEqual([
      'greet: params: minItems is now 2, there was none',
      'greet: params[0] no longer takes string',
      'greet: params[1] now requires "b"',
      'greet: params[1].a no longer takes number',
    ]);
  });

  test('are always an array, and are not compared where only one version declares them', () => {
    expect(breakingChanges(greet({ params: {} }), greet({ params: { type: 'array' } }))).toEqual([]);
    expect(breakingChanges(greet({}), greet({ params: { prefixItems: [string] } }))).toEqual([]);
    expect(breakingChanges(greet({ params: { prefixItems: [string] } }), greet({}))).toEqual([]);
  });
});

describe('references', () => {
  const tree = (value: object): object => ({
    prefixItems: [{ $ref: '#/$defs/tree' }],
    $defs: { tree: object({ value, children: { type: 'array', items: { $ref: '#/$defs/tree' } } }) },
  });
  const params = (before: object, now: object): string[] => breakingChanges(greet({ params: before }), greet({ params: now }));

  test('are followed, also in circles', () => {
    expect(params(tree(integer), tree(number))).toEqual([]);
    expect(params(tree(number), tree(integer))).toEqual(['greet: params[0].value no longer takes number']);
  });

  test('may take the place of what they refer to', () => {
    const [inline, referring] = [
      { prefixItems: [string] },
      { prefixItems: [{ $ref: '#/definitions/name' }], definitions: { name: string, another: number } },
    ];
    expect(params(inline, referring)).toEqual([]);
    expect(params(referring, inline)).toEqual([]);
    expect(params({ $ref: '#/$defs/all', $defs: { all: inline } }, inline)).toEqual([]);
  });

  test('from where nobody looks count as changed, when what they refer to was', () => {
    const using = (value: object): object => ({ prefixItems: [{ not: { $ref: '#/$defs/value' } }], $defs: { value } });
    expect(params(using(integer), using(number))).toEqual(['greet: params[0]: not was changed']);
  });

  test('below a $id of its own, or to an anchor, count as changed unless all is the same', () => {
    const anchored = (type: string): object => ({ prefixItems: [{ $ref: '#id', $defs: { id: { $anchor: 'id', type } } }] });
    expect(params(anchored('string'), anchored('number'))).toEqual(['greet: params[0]: $ref was changed']);
    expect(params(anchored('string'), anchored('string'))).toEqual([]);
    const rebased = (type: string): object => ({
      prefixItems: [{ $id: 'inner', allOf: [{ $ref: '#/$defs/a' }], $defs: { a: { type } } }],
      $defs: { a: string },
    });
    expect(params(rebased('string'), rebased('number'))).toEqual(['greet: params[0]: allOf was changed']);
    const dynamic = (type: string): object => ({ prefixItems: [{ $dynamicRef: '#a' }], $defs: { a: { $dynamicAnchor: 'a', type } } });
    expect(params(dynamic('string'), dynamic('number'))).toEqual(['greet: params[0]: $dynamicRef was changed']);
  });

  test('to a place outside of definitions are followed, however they are written', () => {
    const pointing = (type: string, $ref: string): object => ({ prefixItems: [{ type }, { not: { $ref } }] });
    for (const $ref of ['#/prefixItems/0', '#/prefixItems/%30'])
      expect(params(pointing('integer', $ref), pointing('number', $ref))).toEqual(['greet: params[1]: not was changed']);
  });

  test('are the same where all that they lead to is, whatever else was changed', () => {
    const using = (more: object): object => ({ prefixItems: [{ allOf: [{ $ref: '#/$defs/tree' }] }, more], ...tree(integer) });
    const used = (more: object): object => ({ ...using(more), prefixItems: [{ allOf: [{ $ref: '#/$defs/tree' }] }, more] });
    expect(params(used(integer), used(number))).toEqual([]);
  });

  test.each(['#/nowhere', '#', '#/%', 'https://example.org/schema', '#/$defs/a'])('to %s end', ($ref) => {
    const $defs = { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } };
    expect(params({ prefixItems: [{ $ref }], $defs }, { prefixItems: [{ $ref }], $defs, minItems: 1 })).toEqual([
      'greet: params: minItems is now 1, there was none',
    ]);
    expect(params({ prefixItems: [{}], $defs }, { prefixItems: [{ $ref }], $defs })).not.toEqual([]);
  });
});

describe('results', () => {
  const result = (before: object | undefined, now: object | undefined): string[] =>
    breakingChanges(greet(before === undefined ? {} : { result: before }), greet(now === undefined ? {} : { result: now }));

  test.each<[string, object | undefined, object | undefined]>([
    ['of fewer types', { type: ['string', 'null'] }, string],
    ['with one property more', object({ a: string }), object({ a: string, b: number })],
    ['with a property that is always there now', object({ a: string }), object({ a: string }, { required: ['a'] })],
    ['that are declared now', undefined, string],
    ['with narrower bounds', { minimum: 1 }, { minimum: 2 }],
  ])('may be %s', (_, before, now) => {
    expect(result(before, now)).toEqual([]);
  });

  test.each<[string, object, object, string]>([
    ['of another type', string, number, ' may now be number'],
    ['of another type besides', string, { type: ['string', 'null'] }, ' may now be null'],
    ['of any type', string, {}, ' may now be other than string'],
    ['of another value', { enum: ['a'] }, { enum: ['a', 'b'] }, ' may now be "b"'],
    ['with a property less', object({ a: string }, { required: ['a'] }), object({ a: string }), ' may now lack "a"'],
    [
      'with a property that none could be',
      object({}, { additionalProperties: false }),
      object({ a: string }, { additionalProperties: false }),
      '.a is new',
    ],
    ['with wider bounds', { minimum: 5 }, { minimum: 3 }, ': minimum is now 3, it was 5'],
    ['without bounds', { type: 'string', maxLength: 5 }, string, ': maxLength is gone, it was 5'],
  ])('may not be %s', (_, before, now, line) => {
    expect(result(before, now)[0]).toBe(`greet: result${line}`);
  });
});

describe('schemas of hostile plugins', () => {
  const nested = (depth: number, inside: object): object => {
    let schema = inside;
    for (let i = 0; i < depth; i++) schema = { properties: { a: schema } };
    return schema;
  };
  const many = (count: number, of: (i: number) => unknown): object => Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, of(i)]));
  const strange = { toString: 1, valueOf: null, __proto__: null };

  test('that are too deep count as changed, and those that are as deep as schemas are do not', () => {
    expect(said(nested(30, string), nested(30, string))).toEqual([]);
    expect(said(nested(30, string), nested(30, number))).toHaveLength(1);
    const deep = JSON.parse('{"items":'.repeat(200_000) + '{}' + '}'.repeat(200_000)) as object;
    const deeper = JSON.parse('{"items":'.repeat(200_000) + '{"type":"string"}' + '}'.repeat(200_000)) as object;
    expect(said(deep, deeper)).toHaveLength(1);
    const value = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000)) as unknown;
    expect(said({ enum: [value, 1] }, { enum: [[value], 2] })).toHaveLength(1);
  });

  test.each<[string, object, object]>([
    [
      'many properties, each held against a large schema',
      { additionalProperties: { enum: Array.from({ length: 20_000 }, (_, i) => i) } },
      { properties: many(20_000, () => string) },
    ],
    ['many values', { enum: Array.from({ length: 100_000 }, (_, i) => i) }, { enum: Array.from({ length: 100_000 }, (_, i) => -i - 1) }],
    [
      'many required properties',
      { items: { required: Array.from({ length: 200_000 }, (_, i) => `a${i}`) } },
      { prefixItems: Array.from({ length: 1_000 }, () => string), items: { required: Array.from({ length: 200_000 }, (_, i) => `b${i}`) } },
    ],
    ['many types', { properties: many(10_000, () => number) }, { additionalProperties: { type: Array.from({ length: 100_000 }, () => 'string') } }],
    ['long texts, again and again', repeated({ const: 'x'.repeat(500_000) }), repeated({ minLength: 3 })],
    ['chains of references', repeated(string, 49), repeated(number, 49)],
    ['references to wide schemas', repeated({ properties: many(20_000, () => string) }), repeated({ properties: many(20_000, () => number) })],
    ['objects as values', { enum: Array.from({ length: 20_000 }, (_, a) => ({ a })) }, { required: ['a'], enum: [{ a: 1 }] }],
    ['cases held against cases', { oneOf: consts(3_000, 1) }, { anyOf: consts(3_000, -1) }],
    ['cases within cases', nestedCases(12, string), nestedCases(12, number)],
    ['many keywords', many(50_000, () => 1), many(50_000, () => 2)],
  ])('with %s hold up nobody', (_, before, now) => {
    const used = process.cpuUsage();
    const lines = said(before, now);
    const { user, system } = process.cpuUsage(used);
    // Processor time, as the machine may be busy; and several times what it takes on a quiet one.
    expect((user + system) / 1000).toBeLessThan(500);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(101);
    for (const line of lines) expect(line.length).toBeLessThan(1_000);
  });

  test('values are compared as sets: one of thousands that was changed is named', () => {
    const values = (changed: string): object => ({ type: 'string', enum: Array.from({ length: 20_000 }, (_, i) => (i === 5 ? changed : `v${i}`)) });
    expect(said(values('a'), values('b'))).toEqual(['greet: params[0] no longer takes "a"']);
    expect(said(values('v1'), values('b'))).toEqual([]);
  });

  test('large ones that were not changed are not looked at', () => {
    const large = { properties: many(30_000, () => string) };
    expect(said(large, structuredClone(large))).toEqual([]);
  });

  test('whatever a keyword holds, nothing is thrown', () => {
    const values: unknown[] = [null, 1, 'x', [], [[]], {}, strange, [strange], true, Array.from({ length: 30 }, () => 'string')];
    const keys = ['type', 'enum', 'const', 'required', 'properties', 'additionalProperties', 'items', 'prefixItems', 'additionalItems'];
    keys.push('anyOf', 'oneOf', '$ref', '$defs', 'minimum', 'exclusiveMinimum', 'maxLength', 'minItems', 'pattern', 'patternProperties', '__proto__');
    const schema = fc.dictionary(fc.constantFrom(...keys), fc.oneof(fc.constantFrom(...values), fc.object()));
    fc.assert(
      fc.property(schema, schema, (before, now) => {
        const lines = breakingChanges(greet({ params: before, result: now }), greet({ params: now, result: before }));
        for (const line of lines) expect(line).toMatch(/^(greet: (params|result)|and \d+ more)/);
        expect(said(before, before)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

/** Of which each is one and the same schema, over so many references. */
function repeated(schema: object, hops = 1): object {
  const $defs = Object.fromEntries(
    Array.from({ length: hops }, (_, i) => [`d${i}`, i === hops - 1 ? schema : { $ref: `#/prefixItems/0/$defs/d${i + 1}` }]),
  );
  return { $defs, prefixItems: Array.from({ length: 10_000 }, () => ({ $ref: '#/prefixItems/0/$defs/d0' })) };
}

const consts = (count: number, sign: number): object[] => Array.from({ length: count }, (_, i) => ({ const: sign * (i + 1) }));

function nestedCases(depth: number, inside: object): object {
  let schema = inside;
  for (let i = 0; i < depth; i++) schema = { anyOf: [{ items: schema }, { prefixItems: [schema] }] };
  // Not one object in many places: JSON has no such thing.
  return JSON.parse(JSON.stringify(schema)) as object;
}

/** What the specification says of the keywords that are drawn below. */
function accepts(schema: unknown, value: unknown): boolean {
  if (typeof schema === 'boolean') return schema;
  const all = schema as Record<string, never>;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const is: Record<string, boolean> = {
    null: value === null,
    boolean: typeof value === 'boolean',
    integer: Number.isInteger(value),
    number: typeof value === 'number',
    string: typeof value === 'string',
    array: Array.isArray(value),
    object: isObject,
  };
  const same = (other: unknown): boolean => JSON.stringify(other) === JSON.stringify(value);
  const checks: Record<string, (bound: never) => boolean> = {
    type: (types: string | string[]) => [types].flat().some((type) => is[type]),
    enum: (values: unknown[]) => values.some(same),
    const: same,
    anyOf: (cases: unknown[]) => cases.some((each) => accepts(each, value)),
    oneOf: (cases: unknown[]) => cases.filter((each) => accepts(each, value)).length === 1,
    not: (inner: unknown) => !accepts(inner, value),
  };
  if (typeof value === 'number') {
    checks.minimum = (bound: number) => value >= bound;
    checks.maximum = (bound: number) => value <= bound;
    checks.exclusiveMinimum = (bound: number) => value > bound;
    checks.exclusiveMaximum = (bound: number) => value < bound;
  }
  if (typeof value === 'string') {
    checks.minLength = (bound: number) => value.length >= bound;
    checks.maxLength = (bound: number) => value.length <= bound;
    checks.pattern = (pattern: string) => new RegExp(pattern).test(value);
  }
  if (Array.isArray(value)) {
    const first = (all.prefixItems ?? []) as unknown[];
    checks.minItems = (bound: number) => value.length >= bound;
    checks.maxItems = (bound: number) => value.length <= bound;
    checks.prefixItems = (items: unknown[]) => items.every((item, i) => i >= value.length || accepts(item, value[i]));
    checks.items = (item: unknown) => value.slice(first.length).every((each) => accepts(item, each));
  }
  if (isObject) {
    const entries = Object.entries(value);
    const [named, patterns] = [all.properties ?? {}, Object.keys(all.patternProperties ?? {})] as [Record<string, unknown>, string[]];
    checks.minProperties = (bound: number) => entries.length >= bound;
    checks.maxProperties = (bound: number) => entries.length <= bound;
    checks.required = (names: string[]) => names.every((name) => Object.hasOwn(value, name));
    checks.properties = (inner: Record<string, unknown>) =>
      entries.every(([name, each]) => !Object.hasOwn(inner, name) || accepts(inner[name], each));
    checks.patternProperties = (inner: Record<string, unknown>) =>
      entries.every(([name, each]) => patterns.every((pattern) => !new RegExp(pattern).test(name) || accepts(inner[pattern], each)));
    checks.additionalProperties = (inner: unknown) =>
      entries.every(
        ([name, each]) => Object.hasOwn(named, name) || patterns.some((pattern) => new RegExp(pattern).test(name)) || accepts(inner, each),
      );
  }
  return Object.entries(all).every(([key, bound]) => checks[key]?.(bound) ?? true);
}

const names = fc.constantFrom('a', 'b', 'c');
const { schema: schemas, value: someValues } = fc.letrec<{ schema: unknown; value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'value' },
    fc.constantFrom<unknown>(null, true, false, 0, 1, 2, 3, 1.5, '', 'a', 'b', 'ab', 'abc'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(names, tie('value'), { maxKeys: 3 }),
  ),
  schema: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'schema' },
    { weight: 1, arbitrary: fc.boolean() },
    {
      weight: 8,
      arbitrary: fc.record(
        {
          type: fc.oneof(
            fc.constantFrom('string', 'number', 'integer', 'array', 'object', 'null'),
            fc.subarray(['string', 'integer', 'array', 'object']),
          ),
          minimum: fc.nat(3),
          exclusiveMinimum: fc.nat(3),
          maximum: fc.nat(3),
          minLength: fc.nat(3),
          maxLength: fc.nat(3),
          pattern: fc.constantFrom('a', '^b'),
          minItems: fc.nat(2),
          maxItems: fc.nat(3),
        },
        { requiredKeys: [] },
      ),
    },
    {
      weight: 8,
      arbitrary: fc
        .record(
          {
            type: fc.constantFrom('array', 'object'),
            enum: fc.array(tie('value'), { maxLength: 3 }),
            const: tie('value'),
            required: fc.uniqueArray(names),
            properties: fc.dictionary(names, tie('schema'), { maxKeys: 3 }),
            additionalProperties: tie('schema'),
            patternProperties: fc.dictionary(fc.constantFrom('a', 'b|c'), tie('schema'), { maxKeys: 1 }),
            maxProperties: fc.nat(3),
            items: tie('schema'),
            prefixItems: fc.array(tie('schema'), { maxLength: 2 }),
            anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }),
            oneOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }),
            not: tie('schema'),
          },
          { requiredKeys: [] },
        )
        .map((schema) => Object.fromEntries(Object.entries(schema).filter((_, i) => i % 3 !== 2))),
    },
  ),
}));

/** The schema, and another one that is like it but for some keywords. */
const pairs = fc.tuple(schemas, schemas, fc.infiniteStream(fc.nat(3))).map(([before, other, dice]) => {
  const mixed = (a: unknown, b: unknown): unknown => {
    if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null || Array.isArray(a) !== Array.isArray(b))
      return dice.next().value === 0 ? b : a;
    if (Array.isArray(a)) return a.map((each: unknown, i) => (i < (b as unknown[]).length ? mixed(each, (b as unknown[])[i]) : each));
    const [left, right] = [a, b] as Record<string, unknown>[];
    return Object.fromEntries(
      [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => {
        const roll = dice.next().value;
        if (!Object.hasOwn(left!, key)) return roll === 0 ? [[key, right![key]]] : [];
        if (!Object.hasOwn(right!, key)) return roll === 0 ? [] : [[key, left![key]]];
        return [[key, mixed(left![key], right![key])]];
      }),
    );
  };
  return [before, mixed(before, other)] as const;
});

test('nothing is said of a listed value that the old type refused', () => {
  const schema = { type: 'array', enum: [null, []], maxProperties: 0 };
  expect(said(schema, { anyOf: [{ maxProperties: 0, not: {} }, schema] })).toEqual([]);
  expect(said({ type: 'string', enum: [null, 'a'] }, { type: 'string', enum: ['a'] })).toEqual([]);
  expect(said({ type: 'string', enum: ['a', 'b'] }, { type: 'string', enum: ['a'] })).not.toEqual([]);
});

describe('whatever the schemas are', () => {
  test('where nothing is said the new one takes all that the old one took', () => {
    let quiet = 0;
    fc.assert(
      fc.property(pairs, fc.array(someValues, { minLength: 20, maxLength: 20 }), ([before, now], values) => {
        if (said(before, now).length > 0) return;
        quiet++;
        for (const value of values) if (accepts(before, value)) expect(accepts(now, value), JSON.stringify({ before, now, value })).toBe(true);
      }),
      { numRuns: 1_500 },
    );
    expect(quiet).toBeGreaterThan(150);
  });

  test('nothing is said of one that is the same, that takes anything, or that has one more case', () => {
    fc.assert(
      fc.property(schemas, schemas, (schema, other) => {
        expect(said(schema, structuredClone(schema))).toEqual([]);
        expect(said(schema, {})).toEqual([]);
        expect(said(schema, { anyOf: [other, schema] })).toEqual([]);
        expect(said({ anyOf: [schema, other] }, { anyOf: [other, schema] })).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});

/** How a schema with references is read: pointers and anchors within the nearest `$id`, and names of such. */
class Reader {
  readonly #root: object;
  #depth = 0;

  constructor(root: object) {
    this.#root = root;
  }

  /** Throws where a reference leads nowhere, or on for ever: that schema says nothing. */
  accepts(schema: unknown, value: unknown, base: object = this.#root): boolean {
    if (typeof schema !== 'object' || schema === null) return schema !== false;
    if (++this.#depth > 200) throw new Error('for ever');
    const all = schema as Record<string, never>;
    const here = typeof all['$id'] === 'string' ? schema : base;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    const inner = (each: unknown, part: unknown): boolean => this.accepts(each, part, here);
    const checks: Record<string, (bound: never) => boolean> = {
      $ref: ($ref: string) => this.accepts(...this.#target($ref, here, value)),
      $dynamicRef: ($ref: string) => this.accepts(...this.#target($ref, here, value)),
      type: (type: string) => accepts({ type }, value),
      not: (each: unknown) => !inner(each, value),
      allOf: (cases: unknown[]) => cases.every((each) => inner(each, value)),
      prefixItems: (items: unknown[]) => !Array.isArray(value) || items.every((each, i) => i >= value.length || inner(each, value[i])),
      properties: (named: object) =>
        !isObject || Object.entries(named).every(([name, each]) => !Object.hasOwn(value, name) || inner(each, (value as never)[name])),
    };
    return Object.entries(all).every(([key, bound]) => checks[key]?.(bound) ?? true);
  }

  #target(ref: string, base: object, value: unknown): [unknown, unknown, object] {
    const [name, pointer = ''] = ref.split('#') as [string, string?];
    const found = name === '' ? base : parts(this.#root).find((each) => (each as { $id?: string }).$id === name);
    if (found === undefined) throw new Error('nowhere');
    if (pointer !== '' && !pointer.startsWith('/')) {
      const isNamed = (each: object): boolean => [(each as never)['$anchor'], (each as never)['$dynamicAnchor']].includes(pointer as never);
      const anchor = parts(found, true).find(isNamed);
      if (anchor === undefined) throw new Error('nowhere');
      return [anchor, value, found];
    }
    let at: unknown = found;
    let within = found;
    for (const step of pointer.split('/').slice(1)) {
      at = (at as Record<string, unknown> | undefined)?.[step];
      if (typeof (at as { $id?: unknown } | undefined)?.$id === 'string') within = at as object;
    }
    if (at === undefined) throw new Error('nowhere');
    return [at, value, within];
  }
}

/** All schemas in one, itself first; `own`: but for those with a `$id`. */
function parts(schema: object, own = false): object[] {
  const inner = Object.values(schema).filter((each): each is object => typeof each === 'object' && each !== null);
  return [schema, ...inner.filter((each) => !own || !('$id' in each)).flatMap((each) => parts(each, own))];
}

const referring = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'referring' },
    { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('string', 'integer', 'number', 'array', 'object') }) },
    { weight: 3, arbitrary: fc.record({ $ref: fc.constantFrom('#', '#/$defs/a', '#/$defs/b', '#a', 'x', 'x#/$defs/a', '#/prefixItems/0') }) },
    { weight: 1, arbitrary: fc.record({ $dynamicRef: fc.constant('#a') }) },
    {
      weight: 5,
      arbitrary: fc.record(
        {
          $id: fc.constantFrom('x', 'y'),
          $anchor: fc.constantFrom('a', 'b'),
          $dynamicAnchor: fc.constant('a'),
          $ref: fc.constantFrom('#/$defs/a', '#a', 'x'),
          $defs: fc.dictionary(fc.constantFrom('a', 'b'), tie('schema'), { maxKeys: 2 }),
          not: tie('schema'),
          allOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }),
          properties: fc.dictionary(fc.constantFrom('a', 'b'), tie('schema'), { maxKeys: 2 }),
          prefixItems: fc.array(tie('schema'), { maxLength: 2 }),
        },
        { requiredKeys: [] },
      ),
    },
  ),
})).schema;

test('where nothing is said of schemas with references the new one takes all that the old one took', () => {
  const values: unknown[] = ['a', 1, 1.5, [], ['a'], [1, ['a']], {}, { a: 1 }, { a: 'b', b: { a: 1 } }];
  const roots = fc.record({
    $defs: fc.dictionary(fc.constantFrom('a', 'b'), referring, { maxKeys: 2 }),
    prefixItems: fc.tuple(referring, referring),
  });
  const changed = fc.tuple(roots, referring, fc.nat(), fc.boolean()).map(([before, other, at, isOnce]) => {
    const now = structuredClone(before);
    // One part of it says something else, or two do.
    for (const [i, each] of [at, at + 7].slice(0, isOnce ? 1 : 2).entries()) {
      const some = parts(now).filter((part) => part !== now && !Array.isArray(part) && !Object.values(now).includes(part as never));
      const part = some[each % some.length];
      if (part === undefined) continue;
      if (i === 0) for (const key of Object.keys(part)) delete (part as Record<string, unknown>)[key];
      Object.assign(part, structuredClone(other));
    }
    return [before, now] as const;
  });
  let quiet = 0;
  fc.assert(
    fc.property(changed, ([before, now]) => {
      if (breakingChanges(greet({ params: before }), greet({ params: now })).length > 0) return;
      quiet++;
      for (const value of values.flatMap((first) => [[first], [1, first]])) {
        let was: boolean;
        try {
          was = new Reader(before).accepts(before, value);
        } catch {
          continue;
        }
        let is = false;
        try {
          is = new Reader(now).accepts(now, value);
        } catch {
          // It cannot be read any more: nothing is taken.
        }
        if (was) expect(is, JSON.stringify({ before, now, value })).toBe(true);
      }
    }),
    { numRuns: 3_000 },
  );
  expect(quiet).toBeGreaterThan(20);
});
