/** install, verify, uninstall and prune, as a user types them: with a supervisor running and without. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clock, MANIFEST, putArchive, sound } from '../helpers/archives.ts';
import { DEMO, eventually, release, Workplace } from './run.ts';

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
});
afterEach(release);

const putVersion = (version: string): Promise<string> => putArchive(work.path(`packed-${version}.tgz`), sound({ ...MANIFEST, version }));

test('install narrates on stderr and says what it did on stdout; verify finds it whole', { timeout: 60_000 }, async () => {
  work.plugin('demo', '1.0.0', DEMO, 'project');
  const installed = await work.run(['install', 'project/demo/1.0.0']);
  expect(installed).toMatchObject({ code: 0, stdout: `demo@1.0.0 is installed: ${work.path('plugins/demo/1.0.0')} (2 files, 1.2 KiB)\n` });
  expect(installed.stderr.trimEnd().split('\n')).toHaveLength(6);
  expect(installed.stderr).toMatch(/^reading .*project\/demo\/1\.0\.0\nunpacking demo-1\.0\.0\.tgz\n/);
  expect(await work.json(['install', 'project/demo/1.0.0'])).toMatchObject({ plugin: 'demo', version: '1.0.0', outcome: 'already-there' });
  expect(await work.run(['verify'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^demo +1\.0\.0 +as it was installed$/m) });

  writeFileSync(work.path('plugins/demo/1.0.0/index.js'), 'changed');
  const verified = await work.run(['verify', 'demo@1.0.0']);
  expect(verified).toMatchObject({ code: 1, stdout: expect.stringMatching(/damaged[^]*changed: index\.js/) });
  const { code, stdout } = await work.run(['verify', '--json']);
  expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({
    code: 1,
    versions: [{ plugin: 'demo', outcome: 'damaged', error: { code: 'ERR_INTEGRITY', changes: [{ path: 'index.js', problem: 'changed' }] } }],
  });
  expect(await work.run(['install', 'project/demo/1.0.0'])).toMatchObject({ code: 0, stdout: expect.stringContaining('installed anew') });
});

test('install warns of a package that is no plugin, and of scripts that did not run', { timeout: 60_000 }, async () => {
  const members = [
    { path: 'package/package.json', body: '{"name":"bare","version":"1.0.0","main":"index.js"}' },
    { path: 'package/index.js', body: '' },
  ];
  const { code, stderr } = await work.run(['install', await putArchive(work.path('bare.tgz'), members), '--allow-scripts', 'sharp']);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^warning: no script of "sharp" ran/m);
  expect(stderr).toMatch(/^warning: bare@1\.0\.0 is no plugin as far as can be seen/m);
});

test.each<[string, string[], number, RegExp]>([
  ['a source that is not there', ['install', './nowhere.tgz'], 1, /ERR_INSTALL_FAILED/],
  ['no source', ['install'], 2, /missing required argument/],
  ['a plugin folder below nowhere', ['install', 'packed-1.0.0.tgz', '--plugin-dir', 'no/where'], 2, /cannot be made/],
  ['a version that is not there', ['uninstall', 'packed@1.0.0'], 4, /no plugin is named "packed"/],
  ['no version', ['uninstall', 'packed'], 2, /which version of packed/],
  ['a name that is none', ['uninstall', '../x@1.0.0'], 2, /expected a plugin name/],
  ['no number', ['prune'], 2, /--keep <n>' not specified/],
  ['none to keep', ['prune', '--keep', '0'], 2, /whole number from 1/],
  ['a plugin that is not there', ['prune', '--keep', '1', 'packed'], 4, /no plugin is named "packed"/],
  ['a plugin to verify that is not there', ['verify', 'packed'], 4, /no plugin is named "packed"/],
])('%s: the exit code, and what to do', async (_, args, exitCode, text) => {
  await putVersion('1.0.0');
  const { code, stdout, stderr } = await work.run(args);
  expect(stderr).toMatch(text);
  expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
});

test.each(['install', 'uninstall', 'prune', 'verify'])('the help of %s has examples', async (command) => {
  const { code, stdout } = await work.run([command, '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/Examples:\n {2}\$ chameleon-supervisor /);
  expect(stdout).toContain('CHAMELEON_PLUGIN_DIR');
});

test('a running supervisor loads what was installed, and keeps what it runs', { timeout: 60_000 }, async () => {
  work.plugin('demo', '1.0.0', DEMO);
  await work.start();
  for (const version of ['1.0.0', '1.1.0', '2.0.0']) await work.json(['install', await putVersion(version)]);
  expect(await work.json(['load', 'plugins/packed/1.0.0'])).toMatchObject({ outcome: 'promoted', to: '1.0.0' });
  expect(await work.json(['call', 'packed', 'greet', '"you"'])).toBe('hello you');

  expect(await work.run(['uninstall', 'packed@1.0.0'])).toMatchObject({ code: 1, stderr: expect.stringContaining('ERR_VERSION_IN_USE') });
  expect(await work.json(['prune', '--keep', '1', 'packed'])).toMatchObject({
    removed: [{ version: '1.1.0' }],
    kept: [{ version: '2.0.0' }, { version: '1.0.0' }],
  });
  await work.json(['unload', 'packed']);
  expect(await work.run(['uninstall', 'packed@1.0.0'])).toMatchObject({ code: 0, stdout: 'packed@1.0.0 is uninstalled\n' });
  expect(readdirSync(work.path('plugins/packed'))).toEqual(['2.0.0']);
});

test('prune keeps what the configuration asks for', async () => {
  work.write('chameleon.config.json', { plugins: { packed: { version: '^1', pin: ['1.0.x'] } } });
  for (const version of ['1.0.0', '1.1.0', '1.2.0', '2.0.0']) await work.json(['install', await putVersion(version)]);
  expect(await work.run(['prune', '--keep', '1'])).toMatchObject({ code: 0, stdout: 'removed packed@1.1.0\n1 removed, 3 kept\n' });
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s gives an installation up, and leaves nothing', { timeout: 60_000 }, async (signal, exitCode) => {
  const archive = await putArchive(work.path('clock.tgz'), clock());
  const { child, ended, stderr } = work.spawn(['install', archive]);
  await eventually(() => expect(stderr()).toContain('installing the dependencies'));
  child.kill(signal);
  expect(await ended).toMatchObject({ code: exitCode, signal: null, stdout: '' });
  expect(existsSync(work.path('plugins/clock'))).toBe(false);
  expect(readdirSync(work.path('plugins'))).toEqual([]);
});
