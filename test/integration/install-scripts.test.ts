/** Install scripts run of the packages that were named, which are those that the registry calls so. Real npm 10 and 11. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MANIFEST, type Member, putArchive, sound } from '../helpers/archives.ts';
import { type NpmUser, npmUser, NPMS } from '../helpers/npm-user.ts';
import { Registry } from '../helpers/registry.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const TIMEOUT = { timeout: 120_000 };

let registry: Registry;
let user: NpmUser;
afterEach(() => registry.close());

/** Scripts that note the folder in which they run, and whether they see a secret of the host. */
const noting = (): object => ({
  scripts: Object.fromEntries(
    ['preinstall', 'install', 'postinstall', 'prepare'].map((each) => [
      each,
      `node -e "fs.appendFileSync('${join(user.home, 'ran')}', process.cwd().replace(/^.*?.node_modules/, 'node_modules') + ' ' + String(process.env.SECRET) + String.fromCharCode(10))"`,
    ]),
  ),
});

async function ran(): Promise<string[]> {
  const file = join(user.home, 'ran');
  return existsSync(file) ? [...new Set((await readFile(file, 'utf8')).trim().split('\n'))].sort() : [];
}

function archiveOf(manifest: object, packages: object, files: Member[] = []): Promise<string> {
  const lockfile = { name: 'packed', version: '1.0.0', lockfileVersion: 3, packages: { '': { ...MANIFEST, ...manifest }, ...packages } };
  return putArchive(join(user.home, 'a.tgz'), [
    ...sound({ ...MANIFEST, ...manifest, ...noting() }),
    { path: 'package/package-lock.json', body: JSON.stringify(lockfile) },
    ...files,
  ]);
}

const install = (source: string, ...allowScripts: string[]): ReturnType<NpmUser['install']> =>
  user.install(source, { allowScripts }, { env: { SECRET: 'yes' } });

describe.each(NPMS)('%s', (npm) => {
  beforeEach(async () => {
    registry = await Registry.open();
    user = await npmUser(await supervise.tempDir(), npm, registry.url);
  });

  test('scripts of the named package run wherever it lies, without our environment, and of no other', TIMEOUT, async () => {
    const sharp = registry.publish('sharp', '1.0.0', noting());
    const sharp2 = registry.publish('sharp', '2.0.0', noting());
    const good = registry.publish('good', '1.0.0', { ...noting(), dependencies: { sharp: '^2.0.0' } });
    const source = await archiveOf(
      { dependencies: { good: '1.0.0', sharp: '1.0.0' } },
      {
        'node_modules/good': { ...good, dependencies: { sharp: '^2.0.0' } },
        'node_modules/sharp': sharp,
        'node_modules/good/node_modules/sharp': sharp2,
      },
    );
    const told = await install(source, 'sharp', 'absent');
    expect(told).toMatchObject({ outcome: 'installed', warnings: [expect.stringMatching(/no script of "absent" ran/)] });
    expect(await ran()).toEqual(['node_modules/good/node_modules/sharp undefined', 'node_modules/sharp undefined']);
    expect((await readdir(told.dir!)).sort()).toEqual(['.chameleon', 'index.js', 'node_modules', 'package-lock.json', 'package.json']);
    expect((await readdir(join(told.dir!, 'node_modules'))).sort()).toEqual(['good', 'sharp']);
  });

  test('an alias runs by the name of the package that it stands for, and not by its own', TIMEOUT, async () => {
    const other = registry.publish('other', '1.0.0', noting());
    const source = await archiveOf({ dependencies: { sharp: 'npm:other@1.0.0' } }, { 'node_modules/sharp': { ...other, name: 'other' } });
    expect(await install(source, 'sharp')).toMatchObject({ outcome: 'installed', warnings: [expect.stringMatching(/no script of "sharp" ran/)] });
    expect(await ran()).toEqual([]);
    const other2 = registry.publish('other', '1.0.1', noting());
    const again = await archiveOf(
      { version: '2.0.0', dependencies: { sharp: 'npm:other@1.0.1' } },
      { 'node_modules/sharp': { ...other2, name: 'other' } },
    );
    expect(await install(again, 'other')).toMatchObject({ outcome: 'installed', warnings: [] });
    expect(await ran()).toHaveLength(1);
  });

  test('a folder of the name in an archive runs nothing: of the plugin, of a package, beside fetched ones, with commands', TIMEOUT, async () => {
    const json = JSON.stringify({ name: 'sharp', version: '1.0.0', ...noting() });
    const good = registry.publish('good', '1.0.0', { dependencies: { sharp: '*' }, bundleDependencies: ['sharp'] }, [
      { path: 'package/node_modules/sharp/package.json', body: json },
    ]);
    const source = await archiveOf(
      { dependencies: { good: '1.0.0', brought: '1.0.0' }, bundleDependencies: ['brought'] },
      {
        'node_modules/good': { ...good, dependencies: { sharp: '*' }, bundleDependencies: ['sharp'] },
        'node_modules/good/node_modules/sharp': { version: '1.0.0', inBundle: true },
        'node_modules/brought': { version: '1.0.0', inBundle: true, dependencies: { sharp: '*' } },
        'node_modules/brought/node_modules/sharp': { version: '1.0.0', inBundle: true },
      },
      [
        { path: 'package/node_modules/brought/package.json', body: '{"name":"brought","version":"1.0.0"}' },
        { path: 'package/node_modules/brought/node_modules/sharp/package.json', body: json },
        { path: 'package/node_modules/sharp/package.json', body: json },
      ],
    );
    expect(await install(source, 'sharp')).toMatchObject({ outcome: 'installed', warnings: [expect.stringMatching(/no script of "sharp" ran/)] });
    expect(await ran()).toEqual([]);
  });

  test('a script finds the commands of the packages that it needs, and none that others put before them', TIMEOUT, async () => {
    const bin = (text: string): Member[] => [{ path: 'package/bin.js', body: `#!/usr/bin/env node\n${text}`, mode: 0o755 }];
    const tool = registry.publish(
      'tool',
      '1.0.0',
      { bin: { 'make-it': 'bin.js' } },
      bin(`require('node:fs').appendFileSync('${join(user.home, 'ran')}', 'tool')`),
    );
    const evil = registry.publish(
      'evil',
      '1.0.0',
      { bin: { node: 'bin.js', sh: 'bin.js' } },
      bin(`require('node:fs').appendFileSync('${join(user.home, 'ran')}', 'evil')`),
    );
    const sharp = registry.publish('sharp', '1.0.0', { dependencies: { tool: '*' }, scripts: { install: 'make-it && node -e ""' } });
    const source = await archiveOf(
      { dependencies: { evil: '1.0.0', sharp: '1.0.0' } },
      { 'node_modules/evil': evil, 'node_modules/sharp': { ...sharp, dependencies: { tool: '*' } }, 'node_modules/tool': tool },
      [{ path: 'package/node_modules/.bin/node', body: `#!/bin/sh\necho evil > ${join(user.home, 'ran')}\n`, mode: 0o755 }],
    );
    expect(await install(source, 'sharp')).toMatchObject({ outcome: 'installed', warnings: [] });
    expect(await ran()).toEqual(['tool']);
  });

  describe('a script meets no package but those that its own package asks for', () => {
    /** A package whose script requires another one, and may start a command in the place of Node. */
    const sharpWith = (fields: object): ReturnType<Registry['publish']> => {
      const script = { path: 'package/script.js', body: `try { require('helper'); } catch {}` };
      return registry.publish('sharp', '1.0.0', { ...fields, scripts: { postinstall: 'node script.js' } }, [script]);
    };
    const noteTo = (): string => `require('node:fs').appendFileSync('${join(user.home, 'ran')}', 'evil')`;
    const evil = (): ReturnType<Registry['publish']> =>
      registry.publish('evil', '1.0.0', { main: 'evil.js', bin: { node: 'evil.js' } }, [
        { path: 'package/evil.js', body: `#!${process.execPath}\n${noteTo()}`, mode: 0o755 },
      ]);

    test('none that lies in the archive of the plugin', TIMEOUT, async () => {
      const sharp = sharpWith({ dependencies: { helper: '1.0.0' } });
      const source = await archiveOf(
        { dependencies: { sharp: '1.0.0', helper: '1.0.0' }, bundleDependencies: ['helper'] },
        {
          'node_modules/sharp': { ...sharp, dependencies: { helper: '1.0.0' } },
          'node_modules/helper': { version: '1.0.0', inBundle: true },
        },
        [
          { path: 'package/node_modules/helper/package.json', body: '{"name":"helper","version":"1.0.0","main":"index.js"}' },
          { path: 'package/node_modules/helper/index.js', body: noteTo() },
        ],
      );
      expect(await install(source, 'sharp')).toMatchObject({ outcome: 'installed' });
      expect(await ran()).toEqual([]);
    });

    test('none that an alias of the plugin puts in the place of another', TIMEOUT, async () => {
      const source = await archiveOf(
        { dependencies: { sharp: '1.0.0', helper: 'npm:evil@1.0.0' } },
        { 'node_modules/sharp': sharpWith({}), 'node_modules/helper': { ...evil(), name: 'evil' } },
      );
      const told = await install(source, 'sharp');
      expect(told).toMatchObject({ outcome: 'installed', warnings: [] });
      expect(await ran()).toEqual([]);
      expect(existsSync(join(told.dir!, 'node_modules/helper/evil.js'))).toBe(true);
    });

    test.each([
      ['a need that it does not have', { evil: '1.0.0' }, 'node_modules/evil', {}],
      ['an alias that it does not have', { helper: 'npm:evil@1.0.0' }, 'node_modules/helper', { name: 'evil' }],
    ])('and a lockfile that gives it %s is refused', TIMEOUT, async (_, needs, place, named) => {
      const source = await archiveOf(
        { dependencies: { sharp: '1.0.0' } },
        { 'node_modules/sharp': { ...sharpWith({}), dependencies: needs }, [place]: { ...evil(), ...named } },
      );
      const reason = expect.stringMatching(/its own package\.json does not ask for it/) as string;
      expect(await install(source, 'sharp')).toMatchObject({ code: 'ERR_INSTALL_FAILED', phase: 'dependencies', reason });
      expect(await ran()).toEqual([]);
    });
  });
});
