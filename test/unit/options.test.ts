import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ConfigInvalidError, type Issue } from '../../src/errors.ts';
import { defaultOptions, resolveOptions, resolvePluginOptions, validateOptions, validateLoadOptions } from '../../src/options.ts';
import type { SupervisorOptions } from '../../src/types.ts';

function issuesOf(run: () => unknown): readonly Issue[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigInvalidError) return error.issues;
    throw error;
  }
  return [];
}
const paths = (input: unknown): string[] => issuesOf(() => validateOptions(input)).map((issue) => issue.path);
const messageAt = (input: unknown, path: string): string | undefined =>
  issuesOf(() => validateOptions(input)).find((issue) => issue.path === path)?.message;

describe('validation', () => {
  test('a configuration with five mistakes is refused once, with all five and their paths', () => {
    const input = { pluginDir: 7, logLevel: 'loud', defaults: { concurrency: 0 }, plugins: { hello: { concurency: 1, breaker: { openMs: '5s' } } } };
    const issues = issuesOf(() => validateOptions(input, 'chameleon.config.json'));
    expect(issues.map((issue) => issue.path).sort()).toEqual([
      'defaults.concurrency',
      'logLevel',
      'pluginDir',
      'plugins.hello.breaker.openMs',
      'plugins.hello.concurency',
    ]);
    expect(() => validateOptions(input, 'chameleon.config.json')).toThrow(/^chameleon\.config\.json: 5 mistakes to correct/);
  });

  test('an unknown key is named with the nearest key that exists there', () => {
    expect(messageAt({ plugins: { hello: { breaker: { maxFailure: 3 } } } }, 'plugins.hello.breaker.maxFailure')).toContain('"maxFailures"');
    expect(messageAt({ plugindir: 'x' }, 'plugindir')).toContain('"pluginDir"');
    expect(issuesOf(() => validateLoadOptions({ options: { concurency: 3 } }))).toEqual([
      { path: 'options.concurency', message: 'unknown key, did you mean "concurrency"?' },
    ]);
  });

  test('an unknown key that resembles none is told which keys there are', () => {
    expect(messageAt({ defaults: { liveness: { zzzzzzzz: 1 } } }, 'defaults.liveness.zzzzzzzz')).toBe('unknown key, known are intervalMs, timeoutMs');
  });

  test('a bad plugin name does not hide the mistakes below it', () => {
    expect(paths({ plugins: { 'No Good': { maxQueue: -1, restart: { tries: 1 } } } }).sort()).toEqual([
      'plugins["No Good"]',
      'plugins["No Good"].maxQueue',
      'plugins["No Good"].restart.tries',
    ]);
  });

  test('scoped plugin names are keys like any other', () => {
    expect(paths({ plugins: { '@scope/name': { concurrency: 1 } } })).toEqual([]);
    expect(paths({ plugins: { '@scope/name': { concurrency: 'x' } } })).toEqual(['plugins["@scope/name"].concurrency']);
  });

  test('durations fit a timer, and are zero only where "not at all" means something', () => {
    for (const field of ['backoffMs', 'maxBackoffMs']) expect(paths({ defaults: { retry: { [field]: 0 }, restart: { [field]: 0 } } })).toEqual([]);
    expect(paths({ defaults: { drainTimeoutMs: 0, stopTimeoutMs: 0, cancelGraceMs: 0 } })).toEqual([]);
    expect(paths({ defaults: { callTimeoutMs: 0, startTimeoutMs: 0, liveness: { intervalMs: 0 } } })).toHaveLength(3);
    expect(paths({ defaults: { callTimeoutMs: 2 ** 31 - 1 } })).toEqual([]);
    expect(paths({ defaults: { callTimeoutMs: 2 ** 31 } })).toEqual(['defaults.callTimeoutMs']);
  });

  test('spares are the supervisor’s, a whole number up to sixteen', () => {
    for (const spares of [0, 16]) expect(paths({ spares })).toEqual([]);
    for (const spares of [-1, 17, 1.5, '2', null]) expect(paths({ spares })).toEqual(['spares']);
    expect(messageAt({ spares: 17 }, 'spares')).toBe('expected a whole number from 0 to 16, got 17');
    expect(paths({ defaults: { spares: 1 } })).toEqual(['defaults.spares']);
    expect(resolveOptions({}).spares).toBe(0);
    expect(resolveOptions({ spares: 3 }).spares).toBe(3);
  });

  test('what JSON cannot carry to the plugin is refused where it stands, however deep', () => {
    const cycle: Record<string, unknown> = {};
    cycle['again'] = { cycle };
    const initArgs = [1n, () => 1, Number.NaN, new Map(), { when: new Date(), bytes: Buffer.from('x') }];
    expect(paths({ defaults: { initArgs, options: { cycle, deep: { symbol: Symbol('s') } } } }).sort()).toEqual([
      'defaults.initArgs[0]',
      'defaults.initArgs[1]',
      'defaults.initArgs[2]',
      'defaults.initArgs[3]',
      'defaults.options.cycle.again.cycle',
      'defaults.options.deep.symbol',
    ]);
  });

  test('nesting without end is refused by name, not by a stack overflow', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(issuesOf(() => validateLoadOptions({ options: { initArgs: deep } }))[0]?.message).toMatch(/nested more than/);
  });

  test('__proto__ and constructor are refused wherever they stand, and pollute nothing', () => {
    const input: unknown = JSON.parse(
      '{"__proto__":{"polluted":1},"plugins":{"__proto__":{"enabled":false},"constructor":{}},"defaults":{"env":{"__proto__":"x","constructor":"y"},"options":{"a":{"__proto__":{"polluted":1}}}}}',
    );
    expect(paths(input).sort()).toEqual([
      '__proto__',
      'defaults.env.__proto__',
      'defaults.env.constructor',
      'defaults.options.a.__proto__',
      'plugins.__proto__',
      'plugins.constructor',
    ]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('options that throw when they are read are an issue, not an accident', () => {
    const trap = {
      get defaults(): never {
        throw new Error('no entry');
      },
    };
    expect(issuesOf(() => validateOptions(trap))).toEqual([{ path: '', message: 'cannot be read: no entry' }]);
  });

  test('the environment of a child takes no name that an environment cannot hold, nor the one that is ours', () => {
    expect(paths({ defaults: { env: { 'A=B': 'x', '': 'x', CHAMELEON_INSTANCE: 'x', OK: 'a\0b' }, passEnv: ['A=B', 'PATH'] } }).sort()).toEqual([
      'defaults.env.CHAMELEON_INSTANCE',
      'defaults.env.OK',
      'defaults.env[""]',
      'defaults.env["A=B"]',
      'defaults.passEnv[0]',
    ]);
    expect(messageAt({ defaults: { env: process.env } }, 'defaults.env')).toContain('a plain object');
    expect(paths({ defaults: { env: { ...process.env } } })).toEqual([]);
  });

  test('anything with the four methods is a logger, anything else is not', () => {
    expect(validateOptions({ logger: console }).logger).toBe(console);
    expect(paths({ logger: { info() {}, warn() {}, error() {} } })).toEqual(['logger']);
  });
});

describe('defaults', () => {
  test('the defaults are frozen to the last group, are valid themselves, and change nothing when given', () => {
    expect(() => Object.assign(defaultOptions.defaults.breaker, { openMs: 1 })).toThrow(TypeError);
    const given = resolveOptions({ ...defaultOptions });
    expect(resolvePluginOptions(given, 'hello')).toEqual(resolvePluginOptions(resolveOptions({}), 'hello'));
  });

  test('the docstrings of the types state the defaults that are used', () => {
    const resolved: Record<string, unknown> = { ...resolvePluginOptions(resolveOptions({}), 'hello') };
    const types = readFileSync(new URL('../../src/types.ts', import.meta.url), 'utf8');
    const groups: [string, Record<string, unknown>][] = [['PluginOptions', resolved]];
    for (const group of ['breaker', 'retry', 'restart', 'liveness'])
      groups.push([`${group[0]!.toUpperCase()}${group.slice(1)}Options`, resolved[group] as Record<string, unknown>]);
    let compared = 0;
    for (const [name, values] of groups) {
      const body = types.slice(types.indexOf(`export interface ${name} {`)).split('\n}')[0]!;
      for (const [, digits, unit, field] of body.matchAll(/Default ([\d .]*\d)( MiB)?\..*\n {2}(\w+)\?/g)) {
        expect([field, values[field!]]).toEqual([field, Number(digits!.replaceAll(' ', '')) * (unit === undefined ? 1 : 2 ** 20)]);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(20);
  });
});

describe('layers', () => {
  const resolve = (input: SupervisorOptions, name = 'hello') => resolvePluginOptions(resolveOptions(input), name);

  test('a plugin’s own options lie over the defaults field by field, in groups too', () => {
    const input = {
      defaults: { concurrency: 5, breaker: { openMs: 1, maxFailures: 9 } },
      plugins: { hello: { concurrency: undefined, breaker: { maxFailures: 2 } } },
    };
    expect(resolve(input)).toMatchObject({
      concurrency: 5,
      maxQueue: 1000,
      breaker: { openMs: 1, maxFailures: 2, halfOpenCalls: 3, failureRatio: null },
    });
    expect(resolve(input, 'other').breaker.maxFailures).toBe(9);
  });

  test('env and options merge by key, arrays are replaced', () => {
    const input = {
      defaults: { env: { A: '1', B: '1' }, options: { deep: { a: 1 } }, execArgv: ['-a'], initArgs: [1, 2] },
      plugins: { hello: { env: { B: '2' }, options: { deep: { b: 1 }, c: 1 }, execArgv: ['-b'], initArgs: [] } },
    };
    expect(resolve(input)).toMatchObject({ env: { A: '1', B: '2' }, execArgv: ['-b'], initArgs: [] });
    expect(resolve(input).options).toEqual({ deep: { b: 1 }, c: 1 });
  });

  test('the Node binary of the supervisor is every plugin’s unless it has its own', () => {
    expect(resolve({}).nodePath).toBe(process.execPath);
    expect(resolve({ nodePath: '/opt/node' }).nodePath).toBe('/opt/node');
    expect(resolve({ nodePath: '/opt/node', plugins: { hello: { nodePath: '/opt/older' } } }).nodePath).toBe('/opt/older');
  });

  test('options for a plugin that nobody has heard of yet are kept', () => {
    expect(resolveOptions({ plugins: { later: { concurrency: 1 } } }).plugins.get('later')).toEqual({ concurrency: 1 });
    expect(resolve({}, 'constructor').concurrency).toBe(100);
  });
});
