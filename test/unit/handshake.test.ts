import { describe, expect, test } from 'vitest';
import type { Release } from '../../src/catalog/release.ts';
import { initializeParams, readGreeting, readRefusal } from '../../src/instance/handshake.ts';
import { resolvePluginOptions, resolveOptions } from '../../src/options.ts';

const release: Release = {
  name: 'hello',
  version: '1.2.3',
  dir: '/plugins/hello',
  entry: '/plugins/hello/index.js',
  manifest: {
    name: 'hello',
    version: '1.2.3',
    entry: 'index.js',
    command: null,
    engines: { chameleon: null, node: null },
    methods: { greet: { idempotent: true, timeoutMs: 100 } },
  },
};
const good = { protocol: 1, methods: { greet: {} }, pid: 1, runtime: 'node 22.0.0' };

test('a child is told its plugin, its options and the limits, and nothing else', () => {
  const options = resolvePluginOptions(resolveOptions({ defaults: { initArgs: [1], options: { a: 1 }, maxMessageBytes: 4096 } }), 'hello');
  expect(initializeParams(release, options, undefined)).toEqual({
    protocol: 1,
    plugin: { name: 'hello', version: '1.2.3', dir: '/plugins/hello', entry: '/plugins/hello/index.js' },
    initArgs: [1],
    options: { a: 1 },
    limits: { maxMessageBytes: 4096 },
    encodings: ['attachments', 'lane'],
  });
});

describe('a greeting', () => {
  // F24
  test.each<[string, unknown, RegExp]>([
    ['no object', null, /supervisor asked .* plugin answered \$\/initialize with null/],
    ['a number', 5, /supervisor asked .* plugin answered \$\/initialize with 5/],
    ['another protocol', { ...good, protocol: 2 }, /supervisor speaks protocol 1, the plugin 2/],
    ['a protocol as text', { ...good, protocol: '1' }, /supervisor speaks protocol 1, the plugin "1"/],
    ['no protocol', { methods: {} }, /supervisor speaks protocol 1, the plugin nothing/],
    ['another name', { ...good, plugin: { name: 'bye', version: '1.2.3' } }, /supervisor started hello@1.2.3, the plugin says it is "bye" "1.2.3"/],
    [
      'another version',
      { ...good, plugin: { name: 'hello', version: '1.2.4' } },
      /supervisor started hello@1.2.3, the plugin says it is "hello" "1.2.4"/,
    ],
    ['a name that is none', { ...good, plugin: null }, /supervisor started hello@1.2.3, the plugin says it is nothing/],
    ['a name that is deep', { ...good, plugin: deep() }, /supervisor started hello@1.2.3, the plugin says it is nothing/],
    ['a protocol that is deep', { ...good, protocol: deep() }, /supervisor speaks protocol 1, the plugin an array/],
    ['no methods', { ...good, methods: undefined }, /supervisor asked for methods .* plugin answered with nothing/],
    ['methods in an array', { ...good, methods: ['greet'] }, /supervisor asked for methods .* plugin answered with an array/],
    ['too many methods', { ...good, methods: many(1_001) }, /plugin names 1001 methods, the supervisor takes 1000/],
    ['a mebibyte of methods', { ...good, methods: many(100_000) }, /plugin names 100000 methods, the supervisor takes 1000/],
    ['a reserved name', { ...good, methods: { '$/ping': {} } }, /plugin names a method that the supervisor does not take: "\$\/ping"/],
    ['another reserved name', { ...good, methods: { 'rpc.on': {} } }, /plugin names a method that the supervisor does not take: "rpc.on"/],
    ['an empty name', { ...good, methods: { '': {} } }, /plugin names a method that the supervisor does not take: ""/],
    ['a long name', { ...good, methods: { ['x'.repeat(2 ** 20)]: {} } }, /plugin names a method that the supervisor does not take: "x{60}"/],
  ])('with %s is refused, and both sides are named', (_, answer, reason) => {
    const greeting = readGreeting(answer, release);
    expect(greeting).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) as string });
    expect(JSON.stringify(greeting).length).toBeLessThan(300);
  });

  test.each([
    [['attachments'], true],
    [['attachments', 'of tomorrow', 5], true],
    [['json'], false],
    ['attachments', false],
    [null, false],
  ])('that offers %j takes attachments: %j', (encodings, takesAttachments) => {
    expect(readGreeting({ ...good, encodings }, release)).toMatchObject({ kind: 'accepted', takesAttachments });
  });

  test('tells the runtime, and what the code declares goes before what package.json does', () => {
    const methods = { greet: { timeoutMs: 500 }, wave: { errorsAreFailures: false } };
    expect(readGreeting({ ...good, methods, plugin: { name: 'hello', version: '1.2.3' } }, release)).toEqual({
      kind: 'accepted',
      runtime: 'node 22.0.0',
      takesAttachments: false,
      methods: new Map<string, object>([
        ['greet', { idempotent: true, timeoutMs: 500 }],
        ['wave', { errorsAreFailures: false }],
      ]),
    });
  });

  test('is believed only where it makes sense', () => {
    const methods = { a: null, b: 7, c: { idempotent: 'yes', timeoutMs: -1, errorsAreFailures: 0 }, d: { timeoutMs: 2 ** 31 }, toString: {} };
    const greeting = readGreeting({ protocol: 1, methods, runtime: { toString: 1 } }, release);
    expect(greeting).toMatchObject({ kind: 'accepted', runtime: 'unknown' });
    expect(greeting).toHaveProperty('methods', new Map(Object.keys(methods).map((name) => [name, {}])));
  });

  test('with a method called __proto__ has a method of that name, and nothing is polluted', () => {
    const greeting = readGreeting(JSON.parse('{"protocol":1,"methods":{"__proto__":{"idempotent":true}}}'), release);
    expect(greeting).toHaveProperty('methods', new Map([['__proto__', { idempotent: true }]]));
    expect(({} as { idempotent?: unknown }).idempotent).toBeUndefined();
  });
});

describe('a refusal', () => {
  test.each(['import', 'init', 'health'] as const)('in %s is told in short, with its place and the error that was thrown', (phase) => {
    const stack = 'file:///p/x.js:3\n  a b\n  ^\n\nError: no\n    at f (/p/x.js:3:7)\n    at /p/y.js:1:1';
    expect(readRefusal({ message: 'no', data: { phase, name: 'E', code: 'C', stack } }, true)).toEqual({
      kind: 'failed',
      phase,
      message: 'file:///p/x.js:3\n  a b\n  ^\n\nError: no, at /p/x.js:3:7',
      thrown: { name: 'E', message: 'no', code: 'C', stack },
    });
    expect(readRefusal({ message: 'no', data: { phase, stack: 'Error: no' } }, true)).toMatchObject({ message: 'Error: no' });
  });

  test('of the protocol is a matter of the handshake, also when the child is gone already', () => {
    expect(readRefusal({ message: 'speaks 2', data: { phase: 'handshake' } }, false)).toEqual({
      kind: 'handshake',
      phase: 'handshake',
      message: 'speaks 2',
    });
  });

  test.each<[string, unknown]>([
    ['without data', undefined],
    ['with null', null],
    ['with an unknown phase', { phase: 'lunch', stack: 'x' }],
    ['with a phase that is no text', { phase: { toString: 1 }, stack: 5 }],
  ])('%s names both sides', (_, data) => {
    const told = { kind: 'handshake', phase: 'handshake', message: 'the supervisor sent $/initialize, the plugin refused it: never heard of it' };
    expect(readRefusal({ message: 'never heard of it', data }, true)).toEqual(told);
  });

  test('that is none, because the channel closed, leaves the word to the exit', () => {
    expect(readRefusal({ message: 'Connection is closed.' }, false)).toBeNull();
  });

  test('is bounded, and a stack that is no text is left out', () => {
    expect(readRefusal({ message: 'no', data: { phase: 'init', stack: 5 } }, true)).toMatchObject({ message: 'no' });
    expect(readRefusal({ message: '', data: { phase: 'init', stack: 'x'.repeat(2 ** 20) } }, true)?.message).toHaveLength(16_384);
  });
});

function deep(): unknown {
  let value: unknown = [];
  for (let i = 0; i < 100_000; i++) value = [value];
  return value;
}

function many(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`method${i}`, {}]));
}
