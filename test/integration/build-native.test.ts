/** `build` of a plugin with native dependencies: they stay outside, and can be installed again from what is packed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BuildFailedError } from '../../src/build-errors.ts';
import { installPlugin } from '../../src/install/api.ts';
import { readJson, useBuilds } from '../helpers/builds.ts';
import { rejection } from '../helpers/rejection.ts';
import { examples, useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const { tempDir } = supervise;
const manifest = { name: 'shop', version: '1.2.3', type: 'module', main: 'index.js' };

const { build, built, unpacked } = useBuilds(tempDir);

describe('a native dependency', () => {
  test('stays outside, with the part of the lockfile that installs it', { timeout: 120_000 }, async () => {
    const result = await build(join(examples, 'thumbnail/1.0.0'));
    const { packages } = (await readJson(join(examples, 'thumbnail/1.0.0/package-lock.json'))) as { packages: Record<string, { version: string }> };
    const sharp = packages['node_modules/sharp']!.version;
    expect(result.dependencies).toEqual({ sharp });
    const dir = await unpacked(result);
    expect(await readJson(join(dir, 'package.json'))).toMatchObject({ dependencies: { sharp } });
    const lock = (await readJson(join(dir, 'package-lock.json'))) as { packages: Record<string, { optional?: boolean }> };
    expect(lock).toMatchObject({ name: 'thumbnail', lockfileVersion: 3, packages: { '': { dependencies: { sharp } } } });
    expect(Object.keys(lock.packages)).toEqual(expect.arrayContaining(['node_modules/detect-libc', 'node_modules/@img/sharp-linux-x64']));
    for (const [place, locked] of Object.entries(lock.packages)) {
      if (place === '') continue;
      expect({ ...packages[place], optional: locked.optional }, place).toEqual({ ...locked, optional: locked.optional });
    }
    expect(await readFile(join(dir, 'index.js'), 'utf8')).toMatch(/from "sharp"/);

    const installed = await installPlugin(result.file, { pluginDir: await tempDir() });
    const { supervisor } = await supervise();
    await supervisor.load(installed.dir);
    const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    expect(await supervisor.call('thumbnail', 'resize', [pixel, { width: 1 }])).toMatchObject({ width: 1, height: 1, format: 'png' });
  });

  const wrapper = {
    'package.json': { ...manifest, dependencies: { fast: '*' } },
    'index.js': `import fast from 'fast'; import { plain } from 'plain'; export default { methods: { who: () => fast + plain } };`,
    'node_modules/plain/package.json': { name: 'plain', version: '1.0.0' },
    'node_modules/plain/index.js': "exports.plain = 'plain';",
    'node_modules/fast/package.json': {
      name: 'fast',
      version: '2.0.0',
      main: 'lib/fast.js',
      optionalDependencies: { 'fast-linux': '*', 'fast-other': '*' },
    },
    'node_modules/fast/lib/fast.js': "module.exports = 'fast';",
    'node_modules/fast-linux/package.json': { name: 'fast-linux', version: '2.0.0' },
    'node_modules/fast-linux/fast.node': '',
  };
  const integrity = 'sha512-x';
  const lockfile = {
    lockfileVersion: 3,
    packages: {
      '': {},
      'node_modules/dev': { integrity, version: '1.0.0', dev: true },
      'node_modules/fast': {
        version: '2.0.0',
        integrity,
        dev: true,
        dependencies: { own: '1' },
        optionalDependencies: { 'fast-linux': '*', 'fast-other': '*' },
        peerDependencies: { dev: '*' },
        peerDependenciesMeta: { dev: { optional: true } },
      },
      'node_modules/fast-linux': { integrity, version: '2.0.0', optional: true, dependencies: { own: '2' } },
      'node_modules/fast-linux/node_modules/own': { integrity, version: '2.0.0', dev: true },
      'node_modules/own': { integrity, version: '1.0.0', optional: true },
      'node_modules/plain': { integrity, version: '1.0.0' },
    },
  };

  test('is known by the packages for its platforms too; what only they need is optional', async () => {
    const dir = await unpacked(await built({ ...wrapper, 'package-lock.json': lockfile }));
    expect(await readJson(join(dir, 'package-lock.json'))).toEqual({
      name: 'shop',
      version: '1.2.3',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'shop', version: '1.2.3', dependencies: { fast: '2.0.0' } },
        'node_modules/fast': expect.not.objectContaining({ dev: true }),
        'node_modules/fast-linux': { integrity, version: '2.0.0', optional: true, dependencies: { own: '2' } },
        'node_modules/fast-linux/node_modules/own': { integrity, version: '2.0.0', optional: true },
        'node_modules/own': { integrity, version: '1.0.0' },
      },
    });
    expect(await readFile(join(dir, 'index.js'), 'utf8')).toContain('plain');
  });

  test('is refused where it could not be installed again', async () => {
    const issuesOf = async (packages: object | null): Promise<BuildFailedError['issues']> =>
      (
        await rejection<BuildFailedError>(
          built({ ...wrapper, ...(packages === null ? {} : { 'package-lock.json': { lockfileVersion: 3, packages } }) }),
        )
      ).issues;
    expect(await issuesOf(null)).toEqual([
      { path: 'package-lock.json', message: expect.stringContaining('run npm install, since fast cannot be bundled') },
    ]);
    expect(await issuesOf({ 'node_modules/x/node_modules/fast': { version: '2.0.0' } })).toEqual([
      { path: 'fast', message: expect.stringContaining('npm install it') },
    ]);
    expect(await issuesOf({ 'node_modules/fast': { version: '2.0.0', resolved: 'file:../fast.tgz' } })).toEqual([
      { path: 'node_modules/fast', message: expect.stringContaining('file:../fast.tgz, which is on this machine only') },
    ]);
    expect(await issuesOf({ 'node_modules/fast': { version: '2.0.0', resolved: 'https://registry.example/fast.tgz' } })).toEqual([
      { path: 'node_modules/fast', message: expect.stringContaining('remove package-lock.json and node_modules, then run npm install') },
    ]);
    expect(await issuesOf({ 'node_modules/fast': { version: '2.0.0', resolved: 'git+ssh://git.example/fast.git' } })).toEqual([
      { path: 'node_modules/fast', message: 'is taken from git+ssh://git.example/fast.git; install it from a registry' },
    ]);
  });

  test('is whatever --external names, too', async () => {
    const result = await built({ ...wrapper, 'package-lock.json': lockfile }, { external: ['plain'] });
    expect(result.dependencies).toEqual({ fast: '2.0.0', plain: '1.0.0' });
  });
});
