/** What was installed is what runs: every way to change a version is noticed, and none that only looks like one. */
import { chmod, cp, link, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { installPlugin, type IntegrityError, prunePlugins, uninstallPlugin, verifyPlugins } from '../../src/index.ts';
import { verifyRelease } from '../../src/install/api.ts';
import { MANIFEST, putArchive, sound } from '../helpers/archives.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
let home: string;
let pluginDir: string;
let dir: string;

async function install(version = '1.0.0', name = 'packed'): Promise<string> {
  const members = [...sound({ ...MANIFEST, name, version }), { path: 'package/lib/a.js', body: 'a' }, { path: 'package/lib/b.js', body: 'b' }];
  return (await installPlugin(await putArchive(join(home, 'a.tgz'), members), { pluginDir })).dir;
}

beforeEach(async () => {
  home = await supervise.tempDir();
  pluginDir = join(home, 'plugins');
  dir = await install();
});

const check = (): Promise<void> => verifyRelease({ name: 'packed', version: '1.0.0', dir });
const record = (): string => join(dir, '.chameleon/integrity.json');
const rewriteRecord = async (change: (text: string) => string): Promise<void> => writeFile(record(), change(await readFile(record(), 'utf8')));

const CHANGES: [string, () => Promise<void>, IntegrityError['changes']][] = [
  ['changed', () => writeFile(join(dir, 'lib/a.js'), 'changed'), [{ path: 'lib/a.js', problem: 'changed' }]],
  ['changed to as many bytes', () => writeFile(join(dir, 'lib/a.js'), 'A'), [{ path: 'lib/a.js', problem: 'changed' }]],
  [
    'changed to as many bytes, with its time set back',
    async () => {
      const { atime, mtime } = await stat(join(dir, 'lib/a.js'));
      await writeFile(join(dir, 'lib/a.js'), 'A');
      await utimes(join(dir, 'lib/a.js'), atime, mtime);
    },
    [{ path: 'lib/a.js', problem: 'changed' }],
  ],
  ['added', () => writeFile(join(dir, 'lib/c.js'), ''), [{ path: 'lib/c.js', problem: 'added' }]],
  ['added beside our record', () => writeFile(join(dir, '.chameleon/c.js'), ''), [{ path: '.chameleon/c.js', problem: 'added' }]],
  [
    'added as a package',
    async () => {
      await mkdir(join(dir, 'node_modules/evil'), { recursive: true });
      await writeFile(join(dir, 'node_modules/evil/index.js'), '');
    },
    [{ path: 'node_modules/evil/index.js', problem: 'added' }],
  ],
  ['removed', () => rm(join(dir, 'lib/a.js')), [{ path: 'lib/a.js', problem: 'missing' }]],
  [
    'swapped with another',
    async () => {
      await rename(join(dir, 'lib/a.js'), join(dir, 'lib/c.js'));
      await rename(join(dir, 'lib/b.js'), join(dir, 'lib/a.js'));
      await rename(join(dir, 'lib/c.js'), join(dir, 'lib/b.js'));
    },
    [
      { path: 'lib/a.js', problem: 'changed' },
      { path: 'lib/b.js', problem: 'changed' },
    ],
  ],
  [
    'replaced by a link to the same content',
    async () => {
      await rename(join(dir, 'lib/a.js'), join(home, 'a.js'));
      await symlink(join(home, 'a.js'), join(dir, 'lib/a.js'));
    },
    [{ path: 'lib/a.js', problem: 'changed' }],
  ],
  [
    'moved with its folder, and linked to',
    async () => {
      await rename(join(dir, 'lib'), join(home, 'lib'));
      await symlink(join(home, 'lib'), join(dir, 'lib'));
    },
    [
      { path: 'lib', problem: 'added' },
      { path: 'lib/a.js', problem: 'missing' },
      { path: 'lib/b.js', problem: 'missing' },
    ],
  ],
  ['made a program', () => chmod(join(dir, 'lib/a.js'), 0o755), [{ path: 'lib/a.js', problem: 'changed' }]],
  ['with its record removed', () => rm(record()), [{ path: '.chameleon/integrity.json', problem: 'missing' }]],
  ['with its record cut short', () => rewriteRecord((text) => text.slice(0, 50)), [{ path: '.chameleon/integrity.json', problem: 'changed' }]],
  ['with a record of something else', () => writeFile(record(), '[]'), [{ path: '.chameleon/integrity.json', problem: 'changed' }]],
];

describe('noticed: a file that was', () => {
  test.each(CHANGES)('%s', async (_, change, changes) => {
    await check();
    await change();
    expect(await rejection(check())).toMatchObject({ code: 'ERR_INTEGRITY', dir, changes, total: changes.length });
    const [found] = await verifyPlugins({ pluginDir });
    expect(found).toMatchObject({ outcome: 'damaged', error: { code: 'ERR_INTEGRITY', changes } });
    expect(await install()).toBe(dir);
    await check();
  });

  test('changed a thousand times: the first are named, all are counted', async () => {
    await Promise.all(Array.from({ length: 1_000 }, (_, at) => writeFile(join(dir, `extra-${String(at).padStart(3, '0')}`), '')));
    const error = await rejection<IntegrityError>(check());
    expect(error).toMatchObject({ total: 1_000, changes: expect.arrayContaining([{ path: 'extra-019', problem: 'added' }]) });
    expect(error.changes).toHaveLength(20);
    expect(error.message.length).toBeLessThan(1_000);
  });
});

describe('no change', () => {
  test('is what only looks like one: other times, another place, another umask, our own files', async () => {
    await utimes(join(dir, 'lib/a.js'), new Date(), new Date(0));
    await chmod(join(dir, 'lib/b.js'), 0o664);
    await writeFile(join(dir, '.chameleon/verified.json'), 'broken');
    await writeFile(join(dir, '.chameleon/verified.json.4711'), 'half of a draft');
    await check();
    const copy = join(home, 'copy');
    await cp(dir, copy, { recursive: true });
    await expect(verifyRelease({ name: 'packed', version: '1.0.0', dir: copy })).resolves.toBeUndefined();
  });

  test('is looked for in a version that was put there by hand', async () => {
    await rm(join(dir, '.chameleon'), { recursive: true });
    await writeFile(join(dir, 'lib/a.js'), 'edited');
    await check();
    expect(await verifyPlugins({ pluginDir })).toMatchObject([{ outcome: 'unrecorded', error: null }]);
  });
});

test('what was not touched since is not read again, unless all is to be', async () => {
  // Files of this very moment are not trusted yet; as old ones, they are once they have been read.
  const { ctimeMs } = await stat(record());
  await until('it is no longer of this moment', () => Date.now() > ctimeMs + 150);
  await check();
  const digest = /"lib\/a\.js","sha256":"([0-9a-f]{64})"/.exec(await readFile(record(), 'utf8'))![1]!;
  await rewriteRecord((text) => text.replace(digest, '0'.repeat(64)));
  await check();
  expect(await verifyPlugins({ pluginDir })).toMatchObject([{ outcome: 'damaged', error: { changes: [{ path: 'lib/a.js', problem: 'changed' }] } }]);
  // A hard link to it changes nothing but its time of change: it is read.
  await link(join(dir, 'lib/a.js'), join(home, 'linked'));
  expect(await rejection(check())).toMatchObject({ code: 'ERR_INTEGRITY' });
});

describe('removing', () => {
  test('one version leaves the others; the last takes its folders along', async () => {
    await install('2.0.0', '@scope/other');
    await install('1.10.0');
    expect(await uninstallPlugin('packed', '1.0.0', { pluginDir })).toEqual({ plugin: 'packed', version: '1.0.0', dir });
    expect(await readdir(join(pluginDir, 'packed'))).toEqual(['1.10.0']);
    await uninstallPlugin('@scope/other', '2.0.0', { pluginDir });
    expect(await readdir(pluginDir)).toEqual(['packed']);
  });

  test.each([
    ['a plugin that is not there', 'absent', '1.0.0', 'ERR_PLUGIN_NOT_FOUND'],
    ['a version that is not there', 'packed', '9.0.0', 'ERR_VERSION_NOT_FOUND'],
    ['a name that leads up', '../plugins/packed', '1.0.0', 'ERR_CONFIG_INVALID'],
    ['a version that leads up', 'packed', '../..', 'ERR_CONFIG_INVALID'],
    ['a range', 'packed', '^1', 'ERR_CONFIG_INVALID'],
  ])('not %s', async (_, name, version, code) => {
    expect(await rejection(uninstallPlugin(name, version, { pluginDir }))).toMatchObject({ code });
    expect(await verifyPlugins({ pluginDir })).toMatchObject([{ outcome: 'whole' }]);
  });

  test('not a version that is in use', async () => {
    expect(await rejection(uninstallPlugin('packed', '1.0.0', { pluginDir, inUse: [dir] }))).toMatchObject({ code: 'ERR_VERSION_IN_USE', dir });
    await check();
  });

  test('all but the highest, those in use, and those that the configuration asks for', async () => {
    for (const version of ['1.2.0', '1.10.0', '2.0.0-beta.1', '2.0.0', '10.0.0']) await install(version);
    const versions = async (): Promise<string[]> => (await readdir(join(pluginDir, 'packed'))).sort();
    const ranges = (plugin: string): string[] => (plugin === 'packed' ? ['~1.2'] : []);
    const result = await prunePlugins({ pluginDir, keep: 2, inUse: [dir], ranges });
    expect(result.removed.map(({ version }) => version)).toEqual(['2.0.0-beta.1', '1.10.0']);
    expect(result.kept.map(({ version }) => version)).toEqual(['10.0.0', '2.0.0', '1.2.0', '1.0.0']);
    expect(await versions()).toEqual(['1.0.0', '1.2.0', '10.0.0', '2.0.0']);
    await prunePlugins({ pluginDir, keep: 1, name: 'packed' });
    expect(await versions()).toEqual(['10.0.0']);
    expect(await readdir(pluginDir)).toEqual(['packed']);
    for (const keep of [0, 1.5, Number.NaN]) expect(await rejection(prunePlugins({ pluginDir, keep }))).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});
