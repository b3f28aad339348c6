/** The configuration file, as the commands read it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/cli/config-file.ts';
import { ConfigInvalidError } from '../../src/index.ts';

let top: string;
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'chameleon-config-')));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function put(path: string, text: string): string {
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), text);
  return join(top, path);
}

async function refusal(file?: string): Promise<ConfigInvalidError> {
  const error: unknown = await loadConfig(file === undefined ? { cwd: top } : { cwd: top, file }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigInvalidError);
  return error as ConfigInvalidError;
}

describe('finding', () => {
  test.each([
    [
      'ts',
      "import { defineConfig } from 'chameleon-supervisor/config';\nconst dir: string = './p';\nexport default defineConfig({ pluginDir: dir });",
    ],
    ['mjs', "import { defineConfig } from 'chameleon-supervisor/config';\nexport default defineConfig({ pluginDir: await Promise.resolve('./p') });"],
    ['js', "module.exports = { pluginDir: './p' };"],
    ['js', "export default { pluginDir: './p' };"],
    ['json', '{ "$schema": "./node_modules/chameleon-supervisor/dist/config.schema.json", "pluginDir": "./p" }'],
  ])('a .%s file is found from a folder below, and its pluginDir is relative to it', async (kind, text) => {
    const file = put(`chameleon.config.${kind}`, text);
    mkdirSync(join(top, 'a/b'), { recursive: true });
    expect(await loadConfig({ cwd: join(top, 'a/b') })).toEqual({ file, baseDir: top, options: { pluginDir: join(top, 'p') } });
  });

  test('a file in .config/ belongs to the folder above it', async () => {
    const file = put('.config/chameleon.config.json', '{ "pluginDir": "../plugins" }');
    expect(await loadConfig({ cwd: top })).toEqual({ file, baseDir: top, options: { pluginDir: join(top, 'plugins') } });
  });

  test('the nearest file wins, and a named one is not searched for', async () => {
    put('chameleon.config.json', '{}');
    const near = put('a/chameleon.config.json', '{ "strict": true }');
    expect((await loadConfig({ cwd: join(top, 'a') })).file).toBe(near);
    const named = put('b/other.json', '{ "metrics": false }');
    expect(await loadConfig({ cwd: join(top, 'a'), file: '../b/other.json' })).toEqual({
      file: named,
      baseDir: join(top, 'b'),
      options: { metrics: false },
    });
  });

  test('without a file every option has its default', async () => {
    expect(await loadConfig({ cwd: top })).toEqual({ file: null, baseDir: top, options: {} });
  });

  test.each(['ts', 'mjs', 'js', 'json'])('a .%s file that has changed is read anew', async (kind) => {
    for (const value of [1, 2]) {
      const options = `{ "defaults": { "concurrency": ${value} } }`;
      put(`chameleon.config.${kind}`, kind === 'json' ? options : `export default ${options}`);
      expect((await loadConfig({ cwd: top })).options.defaults).toEqual({ concurrency: value });
    }
  });
});

describe('refusing', () => {
  test('every mistake is listed with its path, and the file named', async () => {
    const file = put('chameleon.config.json', '{ "plugindir": 1, "strict": "yes", "defaults": { "concurrency": 0 }, "watch": 1, "logger": {} }');
    const { issues, message } = await refusal();
    expect(issues.map((issue) => issue.path).sort()).toEqual(['defaults.concurrency', 'logger', 'plugindir', 'strict', 'watch']);
    expect(message.startsWith(`${file}: 5 mistakes`)).toBe(true);
  });

  test('a logger is no part of a file, though it may be the only thing in it', async () => {
    put('chameleon.config.mjs', 'export default { logger: console }');
    expect((await refusal()).issues.map((issue) => issue.path)).toEqual(['logger']);
  });

  test.each([
    ['json', '{\n  "strict": true\n  "metrics": true\n}', /is not JSON: .*line 3, column 3/],
    ['json', '{ "strict": yes }', /is not JSON: .*"strict": yes/],
    ['json', '{ "strict": true', /line 1, column 17/],
    ['json', '{ // comment\n}', /is not JSON/],
    ['json', '', /is empty/],
    ['json', '\ufeff \n', /is empty/],
    ['json', `{ "x": "${'x'.repeat(10 * 2 ** 20)}" }`, /larger than 1048576 bytes/],
    ['json', '[]', /plain object/],
    ['json', 'null', /plain object/],
    ['ts', 'export default {\n  strict: true,\n  defaults: }', /cannot be loaded: .*chameleon\.config\.ts:3:1\d/],
    ['ts', '', /is empty/],
    ['mjs', 'throw new Error("boom")', /cannot be loaded: boom/],
    ['mjs', 'throw null', /cannot be loaded: null/],
    ['mjs', 'import "./missing.mjs"', /cannot be loaded: .*missing\.mjs/],
    ['mjs', 'export const strict = true', /no default export/],
    ['mjs', 'export default () => ({})', /plain object, got a function/],
  ])('a .%s file %# says what is wrong with it', async (kind, text, reason) => {
    const file = put(`chameleon.config.${kind}`, text);
    const { message } = await refusal();
    expect(message).toMatch(reason);
    expect(message.startsWith(file)).toBe(true);
    expect(message.length).toBeLessThan(1_000);
  });

  test('a byte order mark is no mistake', async () => {
    put('chameleon.config.json', '\ufeff{ "strict": true }');
    expect((await loadConfig({ cwd: top })).options).toEqual({ strict: true });
  });

  test('__proto__ in a file is refused and pollutes nothing', async () => {
    put('chameleon.config.json', '{ "__proto__": { "strict": true }, "defaults": { "__proto__": { "enabled": false } } }');
    expect((await refusal()).issues.map((issue) => issue.path).sort()).toEqual(['__proto__', 'defaults.__proto__']);
    expect(({} as Record<string, unknown>)['strict']).toBeUndefined();
  });

  test('a named file that is not there, is a folder, or is of another kind says so', async () => {
    mkdirSync(join(top, 'folder.json'));
    expect((await refusal('nowhere.json')).issues[0]?.message).toBe('is not there');
    expect((await refusal('folder.json')).issues[0]?.message).toBe('is not a file but a folder');
    expect((await refusal('chameleon.yaml')).issues[0]?.message).toMatch(/ends in \.ts, \.mjs, \.js, \.json/);
  });

  test('a folder where the file should be is refused, not passed over', async () => {
    mkdirSync(join(top, 'chameleon.config.json'));
    expect((await refusal()).message).toMatch(/is not a file but a folder/);
  });
});
