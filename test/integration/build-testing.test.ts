/** `chameleon-supervisor/testing`: a plugin in a real child, from its source, with errors that its author can read. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { BuildFailedError, startPlugin } from '../../src/testing.ts';
import { type ManifestInvalidError, type PluginThrewError, type StartFailedError } from '../../src/index.ts';
import { putProject } from '../helpers/author.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const { tempDir } = useSupervisors();
const manifest = { name: 'shop', version: '1.0.0', type: 'module', main: 'index.ts' };

/** What is built goes to a folder of this test alone. */
async function ownTemp(): Promise<string> {
  const dir = await tempDir();
  vi.stubEnv('TMPDIR', dir);
  return dir;
}
afterEach(() => {
  vi.unstubAllEnvs();
});

test('TypeScript is built and run with its dependencies and the files beside it, and nothing is left of that', async () => {
  const dir = await putProject(await tempDir(), {
    'package.json': { ...manifest, main: 'src/plugin.ts' },
    'src/plugin.ts': `
      import { readFileSync } from 'node:fs';
      import { definePlugin, type PluginContext } from 'chameleon-supervisor/plugin';
      import { double } from './double.ts';
      import common from 'common';
      const price: string = readFileSync(new URL('./price.txt', import.meta.url), 'utf8');
      let currency: unknown;
      export default definePlugin({
        init({ options }: PluginContext) { currency = options['currency']; },
        methods: {
          price(count: number) { return double(Number(price) * count) + ' ' + String(currency) + ' ' + common.where; },
        },
      });`,
    'src/double.ts': 'export const double = (value: number): number => value * 2;',
    'src/price.txt': '21',
    'node_modules/common/package.json': { name: 'common', version: '1.0.0' },
    'node_modules/common/index.js': `exports.where = require('path').basename(__dirname) + typeof require;`,
  });
  const temp = await ownTemp();
  const plugin = await startPlugin(pathToFileURL(`${dir}/`), { options: { currency: 'francs' } });
  expect(plugin).toMatchObject({ name: 'shop', version: '1.0.0' });
  expect(await plugin.call('price', 1)).toMatch(/^42 francs commonfunction$/);
  expect(await plugin.plugin<{ price(count: number): string }>().price(2)).toMatch(/^84 francs/);
  expect(await plugin.close()).toMatchObject({ stopped: 1, killed: 0 });
  expect(await plugin.close()).toMatchObject({ stopped: 1 });
  expect(readdirSync(temp)).toEqual([]);
});

test('packages run from where they are installed, with the files and the names that they have there', async () => {
  const dir = await putProject(await tempDir(), {
    'package.json': { ...manifest, chameleon: { external: ['gone'] } },
    'index.ts': `
      import { read } from 'reader';
      import { deep } from 'reader/lib/deep';
      const gone = (): Promise<unknown> => import('gone').catch(() => 'gone');
      export default { methods: { async all() { return [read(), deep, await gone()]; } } };`,
    'node_modules/reader/package.json': { name: 'reader', version: '1.0.0' },
    'node_modules/reader/index.js': `module.exports = { ['re' + 'ad']: () => require('fs').readFileSync(__dirname + '/data.txt', 'utf8') };`,
    'node_modules/reader/data.txt': 'data',
    'node_modules/reader/lib/deep.js': `exports.deep = 'deep';`,
  });
  await using plugin = await startPlugin(dir);
  expect(await plugin.call('all')).toEqual(['data', 'deep', 'gone']);
});

test('JavaScript runs as it is, and is stopped by `await using`', async () => {
  const dir = await putProject(await tempDir(), {
    'package.json': { ...manifest, main: 'index.js' },
    'index.js': 'export default { methods: { where() { return import.meta.url; } } };',
  });
  const plugin = await startPlugin(dir);
  expect(await plugin.call('where')).toBe(pathToFileURL(join(plugin.supervisor.status('shop').versions[0]!.dir, 'index.js')).href);
  await plugin[Symbol.asyncDispose]();
  expect(plugin.supervisor.status().state).toBe('closed');
});

test('what a method throws is traced to the line of its source', async () => {
  const dir = await putProject(await tempDir(), {
    'package.json': manifest,
    'index.ts': ['interface Unused { a: 1 }', '', 'export default { methods: {', "  fail(): never { throw new Error('no stock'); },", '} };'].join(
      '\n',
    ),
  });
  const plugin = await startPlugin(dir);
  const { message, remote } = await rejection<PluginThrewError>(plugin.call('fail'));
  expect(message).toContain('no stock');
  expect(remote.stack).toMatch(/index\.ts:4:25/);
  await plugin.close();
});

test('what does not build is told as the compiler tells it, with its line', async () => {
  const dir = await putProject(await tempDir(), { 'package.json': manifest, 'index.ts': 'export default {\n  methods: { greet( { },\n};' });
  const error = await rejection<BuildFailedError>(startPlugin(dir));
  expect(error).toBeInstanceOf(BuildFailedError);
  expect(error.code).toBe('ERR_BUILD_FAILED');
  expect(error.issues[0]).toEqual({ path: 'index.ts:3:1', message: 'Expected identifier but found "}"' });
  expect(error.message).toContain('index.ts:3:0:\n      3 │ };');
});

test('what does not start is told with its phase and its last output', async () => {
  const dir = await putProject(await tempDir(), {
    'package.json': manifest,
    'index.ts': "console.error('no database');\nexport default { init() { throw new Error('refused'); }, methods: {} };",
  });
  const temp = await ownTemp();
  expect(await rejection<StartFailedError>(startPlugin(dir))).toMatchObject({
    code: 'ERR_START_FAILED',
    phase: 'init',
    message: expect.stringContaining('refused'),
    stderrTail: expect.stringContaining('no database'),
  });
  expect(readdirSync(temp)).toEqual([]);
});

test.each<[string, Record<string, object | string>, RegExp]>([
  ['no package.json', {}, /package\.json: .*\n.*is not there; `chameleon-supervisor init` makes a plugin/],
  ['no entry', { 'package.json': manifest }, /main: "index.ts" is not there; name the source of the plugin/],
  ['a manifest that is none', { 'package.json': { ...manifest, version: 'one' } }, /version: expected a semver version/],
])('%s is an error of the manifest', async (_, files, text) => {
  const error = await rejection<ManifestInvalidError>(startPlugin(await putProject(await tempDir(), files)));
  expect(error).toMatchObject({ code: 'ERR_MANIFEST_INVALID', message: expect.stringMatching(text) });
});
