/** Plugins in npm workspaces: lockfile and packages are those of the root, and the plugin's part of them is packed. */
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startPlugin } from '../../src/testing.ts';
import { putProject } from '../helpers/author.ts';
import { readJson, useBuilds } from '../helpers/builds.ts';
import { installed, type FakePackage } from '../helpers/packages.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const { tempDir } = useSupervisors();
const { build, unpacked } = useBuilds(tempDir);
const manifest = { name: 'shop', version: '1.2.3', type: 'module', main: 'index.ts' };

/** Native, so that it is not bundled. */
const native = (version: string, json: Record<string, unknown> = {}): FakePackage => ({
  version,
  json,
  files: { 'index.js': `exports.own = '${version}'; exports.other = (name) => require(name).own;`, 'x.node': '' },
});

/** The packages of the root, and a workspace of the plugin `shop` and the package `lib`. */
async function workspace(packages: Record<string, FakePackage | FakePackage[]>, plugin: Record<string, string | object>): Promise<string> {
  const root = await putProject(await tempDir(), {
    'package.json': { name: 'root', private: true, workspaces: ['packages/*'] },
    ...installed(packages, {
      'packages/shop': { version: '1.2.3' },
      'packages/lib': { version: '1.0.0' },
      'node_modules/lib': { resolved: 'packages/lib', link: true },
    }),
    'packages/lib/package.json': { name: 'lib', version: '1.0.0', main: 'index.ts' },
    'packages/lib/index.ts': "export const lib: string = 'lib';",
  });
  await mkdir(join(root, 'node_modules'), { recursive: true });
  await symlink(join(root, 'packages/lib'), join(root, 'node_modules/lib'), 'junction');
  return putProject(join(root, 'packages/shop'), plugin);
}

test('a package of the root is installed with the plugin, with the part of the lockfile that it needs', async () => {
  const files = {
    'package.json': { ...manifest, dependencies: { fast: '*' } },
    'index.ts': "import { own, other } from 'fast'; export default { methods: { [`${own} ${other('base')}`]() {} } };",
    // npm leaves such a file alone, and goes by the root's.
    'package-lock.json': { lockfileVersion: 3, packages: {} },
  };
  const dir = await workspace({ fast: native('2.0.0', { dependencies: { base: '*' } }), base: native('1.0.0'), unrelated: native('3.0.0') }, files);
  const result = await build(dir);
  expect(result).toMatchObject({ methods: ['2.0.0 1.0.0'], dependencies: { fast: '2.0.0' } });
  const lockfile = (await readJson(join(await unpacked(result), 'package-lock.json'))) as { packages: object };
  expect(Object.keys(lockfile.packages)).toEqual(['', 'node_modules/base', 'node_modules/fast']);
  await using started = await startPlugin(dir);
  expect(started.supervisor.methods('shop')).toEqual(['2.0.0 1.0.0']);
});

test('a version of its own goes before one of the root, which stays with the packages that need it', async () => {
  const own = { ...native('2.0.0'), at: 'packages/shop/node_modules/fast' };
  const dir = await workspace(
    { fast: [native('1.0.0'), own], base: native('1.0.0', { dependencies: { fast: '1' } }) },
    {
      'package.json': { ...manifest, dependencies: { fast: '2', base: '1' } },
      'index.ts': "import { own } from 'fast'; import { other } from 'base'; export default { methods: { [`${own} ${other('fast')}`]() {} } };",
    },
  );
  const result = await build(dir);
  expect(result).toMatchObject({ methods: ['2.0.0 1.0.0'], dependencies: { base: '1.0.0', fast: '2.0.0' } });
  expect((await readJson(join(await unpacked(result), 'package-lock.json')))['packages']).toMatchObject({
    'node_modules/fast': { version: '2.0.0' },
    'node_modules/base': { version: '1.0.0' },
    'node_modules/base/node_modules/fast': { version: '1.0.0' },
  });
});

test('another package of the workspace is bundled, and cannot be left outside', async () => {
  const dir = await workspace({}, { 'package.json': manifest, 'index.ts': "import { lib } from 'lib'; export default { methods: { [lib]() {} } };" });
  expect(await build(dir)).toMatchObject({ methods: ['lib'], dependencies: {} });
  expect(await rejection(build(dir, { external: ['lib'] }))).toMatchObject({
    code: 'ERR_BUILD_FAILED',
    issues: [{ path: 'node_modules/lib', message: expect.stringContaining('is on this machine only') }],
  });
});
