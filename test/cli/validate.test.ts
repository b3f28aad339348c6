/** `validate`: everything that is wrong, at once, and nothing started. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEMO, release, Workplace } from './run.ts';

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
  work.plugin('demo', '1.0.0', `import { writeFileSync } from 'node:fs'; writeFileSync(new URL('./ran', import.meta.url), ''); ${DEMO}`);
});
afterEach(release);

test('what is right is listed: exit 0, and no code of a plugin runs', async () => {
  work.write('chameleon.config.json', { plugins: { demo: { concurrency: 3 } } });
  const { code, stdout } = await work.run(['validate']);
  expect(stdout).toContain(work.path('chameleon.config.json'));
  expect(stdout).toMatch(/^demo +1\.0\.0 /m);
  expect(code).toBe(0);
  expect(existsSync(work.path('plugins/demo/1.0.0/ran'))).toBe(false);
  expect(existsSync(work.socket)).toBe(false);
});

test('five mistakes in a configuration are five lines with their paths: exit 2', async () => {
  work.write('chameleon.config.json', {
    plugindir: 'plugins',
    logLevel: 'loud',
    defaults: { concurrency: 0 },
    plugins: { demo: { callTimeoutMs: 'soon', breaker: { maxFailure: 3 } } },
  });
  const paths = ['plugindir', 'logLevel', 'defaults.concurrency', 'plugins.demo.callTimeoutMs', 'plugins.demo.breaker.maxFailure'];
  const text = await work.run(['validate']);
  for (const path of paths) expect(text.stderr).toContain(path);
  expect(text).toMatchObject({ code: 2, stdout: '' });
  const json = await work.run(['validate', '--json']);
  const { error } = JSON.parse(json.stderr) as { error: { code: string; issues: { path: string }[] } };
  expect(error.code).toBe('ERR_CONFIG_INVALID');
  expect(error.issues.map(({ path }) => path)).toEqual(expect.arrayContaining(paths));
  const started = await work.run(['start']);
  for (const path of paths) expect(started.stderr).toContain(path);
  expect(started.code).toBe(2);
});

test('a plugin that is refused is named with its reason, the good ones too: exit 1', async () => {
  work.write('plugins/bad/1.0.0/package.json', '{');
  const { code, stdout } = await work.run(['validate']);
  expect(stdout).toMatch(/^demo +1\.0\.0 /m);
  expect(stdout).toMatch(/^refused .*plugins\/bad/m);
  expect(code).toBe(1);
  const json = await work.run(['validate', '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    plugins: [{ name: 'demo' }],
    refused: [{ path: expect.stringContaining('bad'), error: { code: 'ERR_MANIFEST_INVALID' } }],
  });
  expect(json.code).toBe(1);
});

test.each([
  ['empty', ''],
  ['no JSON', '{ "plugins": '],
  ['an array', '[]'],
  ['null', 'null'],
])('a configuration file that is %s: exit 2, with its name', async (_, content) => {
  work.write('chameleon.config.json', content);
  expect(await work.run(['validate'])).toMatchObject({ code: 2, stderr: expect.stringContaining('chameleon.config.json') });
});

test('no plugin folder: exit 2', async () => {
  expect(await work.run(['validate', '--plugin-dir', 'missing'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no plugin folder'),
  });
});
