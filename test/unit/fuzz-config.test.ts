/** F55: whatever is wrong, every mistake is listed with its path, and the event loop is not held meanwhile. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigInvalidError } from '../../src/errors.ts';
import { validateOptions } from '../../src/options.ts';
import { expectBrief } from '../helpers/held.ts';

interface Mistake {
  keys: string[];
  value: unknown;
}

const WHOLE = ['concurrency', 'maxQueue', 'callTimeoutMs', 'startTimeoutMs', 'drainTimeoutMs', 'stopTimeoutMs', 'cancelGraceMs'];
const SIZES = ['maxQueueBytes', 'maxMessageBytes', 'memoryLimitBytes'];
const NESTED = {
  breaker: ['maxFailures', 'resetIntervalMs', 'openMs', 'halfOpenCalls', 'failureRatio', 'minimumCalls', 'slowCallMs'],
  retry: ['attempts', 'backoffMs', 'maxBackoffMs', 'budgetRatio'],
  restart: ['maxRestarts', 'periodMs', 'backoffMs', 'maxBackoffMs'],
  liveness: ['intervalMs', 'timeoutMs'],
};
const NO_NUMBER = [Number.NaN, Infinity, -Infinity, -1, 2 ** 31, '5', '', true, [], {}, 1n, () => 1, Symbol('s')];
const MUST_NOT_BE_ZERO = ['concurrency', 'callTimeoutMs', 'startTimeoutMs', ...SIZES, ...NESTED.breaker, 'attempts', 'periodMs', ...NESTED.liveness];

function mistakesOfPlugin(): Mistake[] {
  const all: Mistake[] = [];
  const numbers = [...WHOLE.map((key) => [key]), ...Object.entries(NESTED).flatMap(([group, keys]) => keys.map((key) => [group, key]))];
  for (const keys of numbers) {
    for (const value of NO_NUMBER) all.push({ keys, value });
    if (MUST_NOT_BE_ZERO.includes(keys.at(-1)!)) all.push({ keys, value: 0 });
  }
  for (const key of SIZES) for (const value of [0, 1, 1023, 1.5, 1024.5, Number.NaN, Infinity, 2 ** 53, '16MiB']) all.push({ keys: [key], value });
  for (const key of [
    'enabled',
    'breaker',
    'retry',
    'restart',
    'liveness',
    'initArgs',
    'options',
    'env',
    'passEnv',
    'execArgv',
    'pin',
    'version',
    'nodePath',
  ])
    for (const value of [null, 0, 7]) all.push({ keys: [key], value });
  for (const value of ['', ' ', 'latest', '1.0.0/../..', '>=', 'a'.repeat(300), '1\n']) all.push({ keys: ['version'], value });
  for (const value of ['', 'a\0b']) all.push({ keys: ['nodePath'], value });
  for (const key of ['__proto__', 'constructor', 'concurrencyy', 'x', '', 'a b', '你好', 'k'.repeat(10 * 2 ** 20)])
    all.push({ keys: [key], value: 1 });
  for (const key of ['A=B', 'A\0', '', '__proto__', 'constructor']) all.push({ keys: ['env', key], value: 'x' });
  return all;
}

const PLACES = [['defaults'], ['plugins', 'hello'], ['plugins', '@scope/name']];
const ROOT: Mistake[] = [
  ...['pluginDir', 'nodePath'].flatMap((key) => [null, 0, '', 'a\0', []].map((value) => ({ keys: [key], value }))),
  ...['strict', 'strictModes', 'metrics'].flatMap((key) => [null, 0, 'yes', {}].map((value) => ({ keys: [key], value }))),
  ...['defaults', 'plugins'].flatMap((key) => [null, 0, 'x', []].map((value) => ({ keys: [key], value }))),
  ...[null, 'INFO', 'trace', 1].map((value) => ({ keys: ['logLevel'], value })),
  ...[null, {}, () => 1, 'console'].map((value) => ({ keys: ['logger'], value })),
  ...['watch', '$schema', '__proto__', 'constructor', 'plugin_dir'].map((key) => ({ keys: [key], value: {} })),
  ...['..', 'a/../b', 'Hello', '__proto__', 'constructor', '', 'a'.repeat(300)].map((name) => ({ keys: ['plugins', name], value: {} })),
];
const MISTAKES = [...PLACES.flatMap((place) => mistakesOfPlugin().map(({ keys, value }) => ({ keys: [...place, ...keys], value }))), ...ROOT];

/** As the door writes it. */
function written(keys: string[]): string {
  return keys.reduce((text, key) => {
    if (/^[\w$-]{1,80}$/.test(key)) return text === '' ? key : `${text}.${key}`;
    return `${text}[${JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key)}]`;
  }, '');
}

function put(target: object, { keys, value }: Mistake): void {
  let at = target as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) at = (Object.hasOwn(at, key) ? at[key] : (at[key] = {})) as Record<string, unknown>;
  // As JSON.parse makes `__proto__`: a key of its own.
  Object.defineProperty(at, keys.at(-1)!, { value, enumerable: true, configurable: true, writable: true });
}

const refusedPaths = (input: unknown): string[] => issuesOf(input, 1_000_000).map(({ path }) => path);
const messagesOf = (input: unknown): string[] => issuesOf(input, 100_000).map(({ message }) => message);

function issuesOf(input: unknown, longest: number): ConfigInvalidError['issues'] {
  try {
    expectBrief(
      () => inspect(input).slice(0, 200),
      () => validateOptions(input),
    );
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigInvalidError);
    expect((error as Error).message.length).toBeLessThan(longest);
    return (error as ConfigInvalidError).issues;
  }
  return [];
}

describe('F55: configurations', () => {
  test('each of the table is refused, and names the one place that is wrong', () => {
    expect(MISTAKES.length).toBeGreaterThan(1_000);
    for (const mistake of MISTAKES) {
      const input = {};
      put(input, mistake);
      expect(refusedPaths(input), written(mistake.keys)).toContain(written(mistake.keys));
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('any handful of them together is refused with every one of them listed', () => {
    const unrelated = fc.uniqueArray(fc.constantFrom(...MISTAKES.filter(({ keys }) => keys.length > 2 && keys[2] !== 'env')), {
      minLength: 2,
      maxLength: 8,
      // Two mistakes in one field, or one inside another, are one place.
      selector: ({ keys }) => keys.slice(0, keys[0] === 'plugins' ? 3 : 2).join('\n'),
    });
    fc.assert(
      fc.property(unrelated, (mistakes) => {
        const input = {};
        for (const mistake of mistakes) put(input, mistake);
        expect(refusedPaths(input).sort()).toEqual(expect.arrayContaining(mistakes.map(({ keys }) => written(keys)).sort()));
      }),
      { seed: 55, numRuns: 300 },
    );
  });

  test('what is no object at all is refused at the root', () => {
    for (const input of [undefined, null, 0, '', 'x', true, [], [{}], () => 1, Symbol('s'), 1n, Number.NaN])
      expect(refusedPaths(input)).toEqual(['']);
  });

  test('any value whatsoever is accepted or refused with a typed error', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withMap: true, withDate: true }), (value) => {
        refusedPaths(value);
        refusedPaths({ defaults: value, plugins: { hello: value } });
        refusedPaths({ plugins: value, logger: value, pluginDir: value });
        refusedPaths({ defaults: { options: { value }, initArgs: [value], env: value } });
      }),
      { seed: 55, numRuns: 500 },
    );
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('ten megabytes of anything are refused, and a hundred mistakes of many are listed', () => {
    const many = (count: number, value: unknown, key = 'k'): object =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${key}${i}`, value]));
    const list = (value: unknown): unknown[] => Array.from({ length: 1_000_000 }, () => value);
    const long = 'x'.repeat(100);
    const tooMany = (input: unknown): void => expect(messagesOf(input)).toEqual(['holds more than 10000 values: large data belongs in a file']);
    for (const field of ['passEnv', 'execArgv', 'initArgs', 'env', 'options', 'version', 'breaker', 'nonsense'])
      for (const value of [list('A'), list(1), list([]), many(100_000, long), many(100_000, 1, long)]) tooMany({ defaults: { [field]: value } });
    for (const input of [many(100_000, long), { plugins: many(100_000, {}) }, { plugins: { hello: many(100_000, {}) } }, list({})]) tooMany(input);
    for (const input of [
      { pluginDir: '\0'.repeat(10 * 2 ** 20) },
      { defaults: { version: '1 || '.repeat(2 ** 21) } },
      { ['k'.repeat(10 * 2 ** 20)]: 1 },
    ])
      expect(refusedPaths(input)).toHaveLength(1);
    for (const input of [
      many(9_000, 1),
      { defaults: { breaker: many(9_000, 1) } },
      { plugins: many(9_000, 1) },
      { defaults: { env: many(9_000, 1) } },
    ]) {
      const messages = messagesOf(input);
      expect([messages.length, messages.at(-1)]).toEqual([101, 'there are 8900 mistakes more, which are not listed']);
    }
  });
});
