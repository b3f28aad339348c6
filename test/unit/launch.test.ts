/** Which children are alike before they know their plugin. */
import { expect, test } from 'vitest';
import type { Release } from '../../src/catalog/release.ts';
import { keyOf, launchPlan, sparePlan } from '../../src/instance/launch.ts';
import { resolveOptions, resolvePluginOptions, resolveRollout, type ResolvedPluginOptions } from '../../src/options.ts';
import type { PluginOptions } from '../../src/types.ts';

const release = (name: string, command: string[] | null = null): Release =>
  ({
    name,
    version: '1.0.0',
    dir: `/plugins/${name}`,
    entry: command === null ? 'index.js' : null,
    manifest: { command, methods: {} },
  }) as unknown as Release;
const resolved = (options: PluginOptions): ResolvedPluginOptions => resolvePluginOptions(resolveOptions({ defaults: options }), 'any');
const key = (name: string, options: PluginOptions = {}): string => keyOf(sparePlan(release(name), resolved(options))!);

test('children of all plugins are alike that have the same Node, arguments and environment, in whatever order that is given', () => {
  expect(key('a')).toBe(key('b', { concurrency: 1, initArgs: [1], options: { a: 1 } }));
  expect(key('a', { env: { A: '1', B: '2' } })).toBe(key('b', { env: { B: '2', A: '1' } }));
  const keys = [{}, { env: { A: '1' } }, { env: { A: '2' } }, { nodePath: '/opt/node' }, { execArgv: ['--no-warnings'] }].map((options) =>
    key('a', options),
  );
  expect(new Set(keys).size).toBe(keys.length);
});

test('a spare waits in no plugin’s folder, unless what Node is started with may be relative to that', () => {
  const cwd = (options: PluginOptions): string => sparePlan(release('a'), resolved(options))!.cwd;
  expect(cwd({})).toBe('/');
  expect(cwd({ env: { NODE_ENV: 'test', NODE_EXTRA_CA_CERTS: '/etc/ca.pem', LD_LIBRARY_PATH: '/a:/b', COLOUR: './green' } })).toBe('/');
  const bound: PluginOptions[] = [
    { execArgv: ['--require', './hook.cjs'] },
    { env: { NODE_OPTIONS: '--import=./hook.mjs' } },
    { env: { NODE_PATH: 'lib' } },
    { env: { LD_PRELOAD: 'shim.so' } },
    { env: { LD_LIBRARY_PATH: '/a:lib' } },
    { nodePath: 'bin/node' },
  ];
  for (const options of bound) expect([options, cwd(options)]).toEqual([options, '/plugins/a']);
});

test('a command of a plugin has no spare', () => {
  expect(sparePlan(release('a', ['python3', 'main.py']), resolved({}))).toBeNull();
  expect(launchPlan(release('a', ['python3', 'main.py']), resolved({}))).toMatchObject({ file: 'python3', args: ['main.py'], cwd: '/plugins/a' });
});

test('a plugin with a debugger has no spare, which would have one too', () => {
  expect(sparePlan(release('a'), resolved({ debug: true }))).toBeNull();
  expect(launchPlan(release('a'), resolved({ debug: true, execArgv: ['--inspect=0.0.0.0:9229'] })).args.slice(0, 2)).toEqual([
    '--inspect=0.0.0.0:9229',
    '--inspect=127.0.0.1:0',
  ]);
});

test('time at a breakpoint is not held against a version on trial, whatever the rollout asks for', () => {
  const asked = { canary: { percent: 10, maxP95Ratio: 2 } };
  expect(resolveRollout(resolved({ debug: true }), asked).thresholds).toMatchObject({ maxP95Ratio: null, maxFailureRatio: 0.05 });
  expect(resolveRollout(resolved({}), asked).thresholds).toMatchObject({ maxP95Ratio: 2 });
});
