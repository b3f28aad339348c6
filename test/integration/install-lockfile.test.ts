/**
 * Lockfiles that lead npm astray. Real npm 10 and 11 install from a registry of the test's own; the repository that the lockfiles name
 * has a `prepare` script that leaves a mark, and the registry notes every request.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { type InstallFailedError, installPlugin } from '../../src/index.ts';
import { MANIFEST, type Member, putArchive, sound } from '../helpers/archives.ts';
import { type NpmUser, npmUser, NPMS } from '../helpers/npm-user.ts';
import { hasProgram, testWith } from '../helpers/parts.ts';
import { type Locked, Registry } from '../helpers/registry.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const test = testWith('git', hasProgram('git'));
const TIMEOUT = { timeout: 120_000 };

let registry: Registry;
let user: NpmUser;
let good: Locked;
let evil: Locked;
let repository: string;
let mark: string;

afterEach(() => registry.close());

async function open(npm: (typeof NPMS)[number]): Promise<void> {
  registry = await Registry.open();
  user = await npmUser(await supervise.tempDir(), npm, registry.url);
  good = registry.publish('good', '1.0.0');
  evil = registry.publish('evil', '1.0.0');
  mark = join(user.home, 'mark');
  repository = await putRepository();
}

/** Resolves with the address of a repository's commit; to install from it runs a script that makes the mark. */
async function putRepository(): Promise<string> {
  const dir = join(user.home, 'repository');
  await mkdir(dir);
  const script = `node -e "fs.writeFileSync('${mark}', '')"`;
  const scripts = { preinstall: script, install: script, postinstall: script, prepare: script };
  await writeFile(join(dir, 'package.json'), JSON.stringify({ name: 'good', version: '1.0.0', scripts }));
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: dir, encoding: 'utf8' });
  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '--message', 'first');
  return `git+file://${dir}#${git('rev-parse', 'HEAD').trim()}`;
}

interface Plugin {
  manifest?: object;
  packages: Record<string, object>;
  files?: Member[];
}

const lockfileOf = ({ manifest, packages }: Plugin): string => {
  const root = { ...MANIFEST, dependencies: { good: '1.0.0' }, ...manifest };
  return JSON.stringify({ name: 'packed', version: '1.0.0', lockfileVersion: 3, requires: true, packages: { '': root, ...packages } });
};

function archiveOf(plugin: Plugin, lockfile: string): Promise<string> {
  const manifest = { ...MANIFEST, dependencies: { good: '1.0.0' }, ...plugin.manifest };
  const members = [...sound(manifest), { path: `package/${lockfile}`, body: lockfileOf(plugin) }, ...(plugin.files ?? [])];
  return putArchive(join(user.home, 'a.tgz'), members);
}

const bundle = (name: string, place = name): Member[] => [
  { path: `package/node_modules/${place}/package.json`, body: JSON.stringify({ name, version: '1.0.0' }) },
];

/** How many of these a real npm followed: the first ones. */
const RAN = 5;
/** What the lockfile says, and the reason that names its entry. */
const HOSTILE: [string, () => Plugin, RegExp][] = [
  [
    'a bundled package that is cloned',
    () => ({ packages: { 'node_modules/good': { version: '1.0.0', inBundle: true, resolved: repository } } }),
    /node_modules\/good/,
  ],
  [
    'a package that nothing depends on, and that is cloned',
    () => ({ packages: { 'node_modules/good': good, 'node_modules/extra': { version: '1.0.0', resolved: repository } } }),
    /node_modules\/extra/,
  ],
  [
    'a package below another that nothing depends on, and that is cloned',
    () => ({ packages: { 'node_modules/good': good, 'node_modules/good/node_modules/extra': { version: '1.0.0', resolved: repository } } }),
    /node_modules\/good\/node_modules\/extra/,
  ],
  [
    'a package for development that is cloned',
    () => ({ packages: { 'node_modules/good': good, 'node_modules/extra': { version: '1.0.0', dev: true, resolved: repository } } }),
    /node_modules\/extra/,
  ],
  [
    'a declared package for development that is cloned',
    () => ({
      manifest: { devDependencies: { extra: '1.0.0' } },
      packages: { 'node_modules/good': good, 'node_modules/extra': { version: '1.0.0', dev: true, resolved: repository } },
    }),
    /node_modules\/extra/,
  ],
  ['a clone with a hash', () => ({ packages: { 'node_modules/good': { ...good, resolved: repository } } }), /node_modules\/good/],
  [
    'a clone by ssh',
    () => ({ packages: { 'node_modules/good': { ...good, resolved: 'git+ssh://git@127.0.0.1/a.git#0123' } } }),
    /node_modules\/good/,
  ],
  ['a clone by a short name', () => ({ packages: { 'node_modules/good': { ...good, resolved: 'github:a/b#0123' } } }), /node_modules\/good/],
  [
    'a clone in place of a version',
    () => ({ packages: { 'node_modules/good': { ...good, resolved: undefined, version: repository } } }),
    /node_modules\/good/,
  ],
  [
    'a clone in place of a name',
    () => ({ packages: { 'node_modules/good': { ...good, resolved: undefined, name: repository } } }),
    /node_modules\/good/,
  ],
  ['a clone by an alias', () => ({ packages: { 'node_modules/good': { ...good, name: 'other', resolved: repository } } }), /node_modules\/good/],
  [
    'a clone that is optional',
    () => ({
      manifest: { dependencies: {}, optionalDependencies: { good: '1.0.0' } },
      packages: { 'node_modules/good': { version: '1.0.0', optional: true, resolved: repository } },
    }),
    /node_modules\/good/,
  ],
  [
    'a dependency of a dependency that is cloned',
    () => ({ packages: { 'node_modules/good': { ...good, dependencies: { deep: repository } } } }),
    /deep/,
  ],
  ['a folder', () => ({ packages: { 'node_modules/good': { ...good, resolved: `file:${join(user.home, 'repository')}` } } }), /node_modules\/good/],
  ['a link', () => ({ packages: { 'node_modules/good': { resolved: 'lib', link: true }, lib: { version: '1.0.0' } } }), /node_modules\/good/],
  [
    'a link that nothing depends on',
    () => ({ packages: { 'node_modules/good': good, 'node_modules/extra': { resolved: 'lib', link: true } } }),
    /node_modules\/extra/,
  ],
  [
    'a bundled package that did not come along',
    () => ({ packages: { 'node_modules/good': { version: '1.0.0', inBundle: true } } }),
    /node_modules\/good/,
  ],
  [
    'a bundled package without a hash from an address',
    () => ({ packages: { 'node_modules/good': { version: '1.0.0', inBundle: true, resolved: good.resolved } } }),
    /node_modules\/good/,
  ],
  [
    'a bundled package that did not come along, although package.json bundles it',
    () => ({ manifest: { bundleDependencies: ['good'] }, packages: { 'node_modules/good': { version: '1.0.0', inBundle: true } } }),
    /node_modules\/good/,
  ],
  [
    'a package that came along without being bundled',
    () => ({
      manifest: { dependencies: { good: '1.0.0', other: '1.0.0' } },
      packages: { 'node_modules/good': good, 'node_modules/other': { version: '1.0.0', inBundle: true } },
      files: bundle('other'),
    }),
    /node_modules\/other/,
  ],
  [
    'a package that another package does not bundle',
    () => ({
      packages: {
        'node_modules/good': { ...good, dependencies: { evil: '1.0.0' } },
        'node_modules/good/node_modules/evil': { version: '1.0.0', inBundle: true, resolved: evil.resolved },
      },
    }),
    /node_modules\/evil/,
  ],
  ["another package's content under its name", () => ({ packages: { 'node_modules/good': { ...evil } } }), /node_modules\/good/],
  ['another package under its name', () => ({ packages: { 'node_modules/good': { ...evil, name: 'evil' } } }), /node_modules\/good/],
  ['any address', () => ({ packages: { 'node_modules/good': { ...good, resolved: `${registry.url}/any?path` } } }), /node_modules\/good/],
  ['an address with a query', () => ({ packages: { 'node_modules/good': { ...good, resolved: `${good.resolved}?to=us` } } }), /node_modules\/good/],
  ['an address that is not text', () => ({ packages: { 'node_modules/good': { ...good, resolved: ['http://127.0.0.1/'] } } }), /node_modules\/good/],
  ['a hash of an unknown kind', () => ({ packages: { 'node_modules/good': { ...good, integrity: 'sha999-AAAA' } } }), /node_modules\/good/],
  ['a hash that is too short', () => ({ packages: { 'node_modules/good': { ...good, integrity: 'sha512-AAAA' } } }), /node_modules\/good/],
  [
    'a version that package.json does not ask for',
    () => ({ packages: { 'node_modules/good': { ...good, version: '2.0.0', resolved: undefined } } }),
    /good/,
  ],
  ['none of what package.json asks for', () => ({ packages: {} }), /good/],
];

/** Every package under a folder, with what it exports. */
async function installed(dir: string, below = 'node_modules'): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(join(dir, below)).catch(() => [])) {
    const place = `${below}/${name}`;
    if (name.startsWith('@')) found.push(...(await installed(dir, place)));
    else {
      const { version } = JSON.parse(await readFile(join(dir, place, 'package.json'), 'utf8')) as { version: string };
      found.push(`${place.replaceAll('node_modules/', '')}@${version}`, ...(await installed(dir, `${place}/node_modules`)));
    }
  }
  return found.sort();
}

describe('npm is never started', () => {
  beforeEach(() => open('npm-10'));

  test.each(HOSTILE)('for a lockfile with %s', async (_, plugin, entry) => {
    const source = await archiveOf(plugin(), 'npm-shrinkwrap.json');
    const error = await rejection<InstallFailedError>(installPlugin(source, { pluginDir: user.pluginDir }));
    expect(error).toMatchObject({ code: 'ERR_INSTALL_FAILED', phase: 'dependencies', reason: expect.stringMatching(entry), outputTail: '' });
    expect(registry.requests).toEqual([]);
    expect(await readdir(user.pluginDir)).toEqual([]);
  });
});

describe.each(NPMS)('%s', (npm) => {
  beforeEach(() => open(npm));

  // What npm 10 or 11 cloned or fetched, as long as it was handed such a lockfile.
  test.each(HOSTILE.slice(0, RAN))('is never started for a lockfile with %s', TIMEOUT, async (_, plugin, entry) => {
    for (const lockfile of ['package-lock.json', 'npm-shrinkwrap.json']) {
      const told = await user.install(await archiveOf(plugin(), lockfile));
      expect(told).toMatchObject({ code: 'ERR_INSTALL_FAILED', phase: 'dependencies', reason: expect.stringMatching(entry), outputTail: '' });
    }
    expect(existsSync(mark)).toBe(false);
    expect(registry.requests).toEqual([]);
    expect(await readdir(user.pluginDir)).toEqual([]);
  });

  test('installs what the lockfile says, each at its place: scopes, aliases, tags, two versions, overrides, bundles', TIMEOUT, async () => {
    const scoped = registry.publish('@scope/deep', '2.0.0', { dependencies: { good: '^2.0.0' } });
    const good2 = registry.publish('good', '2.0.0');
    const holder = registry.publish('holder', '1.0.0', { dependencies: { inner: '*', evil: '*' }, bundleDependencies: ['inner'] }, [
      { path: 'package/node_modules/inner/package.json', body: JSON.stringify({ name: 'inner', version: '3.0.0', dependencies: { beside: '*' } }) },
    ]);
    const beside = registry.publish('beside', '1.0.0');
    const elsewhere = registry.publish('elsewhere', '1.0.0', { os: ['!linux', '!darwin', '!win32'] });
    const plugin: Plugin = {
      manifest: {
        dependencies: { good: 'latest', '@scope/deep': '^2', other: 'npm:evil@1.0.0', holder: '1.0.0' },
        optionalDependencies: { elsewhere: '1.0.0', absent: '1.0.0' },
        devDependencies: { dev: 'file:../dev', tool: '^1' },
        overrides: { holder: { evil: 'npm:beside@1' } },
      },
      packages: {
        'node_modules/good': good,
        'node_modules/@scope/deep': { ...scoped, dependencies: { good: '^2.0.0' } },
        'node_modules/@scope/deep/node_modules/good': { version: '2.0.0', integrity: `sha1-AAAA ${good2.integrity}` },
        'node_modules/other': { ...evil, name: 'evil' },
        'node_modules/holder': { ...holder, dependencies: { inner: '*', evil: '*' }, bundleDependencies: ['inner'] },
        'node_modules/holder/node_modules/inner': { version: '3.0.0', inBundle: true, dependencies: { beside: '*' } },
        'node_modules/evil': { ...beside, name: 'beside' },
        'node_modules/beside': beside,
        'node_modules/elsewhere': { ...elsewhere, optional: true, os: ['!linux', '!darwin', '!win32'] },
        'node_modules/unused': evil,
        'node_modules/tool': { ...evil, integrity: undefined, dev: true },
        'node_modules/dev': { resolved: '../dev', link: true },
        '../dev': { version: '1.0.0' },
      },
    };
    const told = await user.install(await archiveOf(plugin, 'npm-shrinkwrap.json'));
    expect(told).toMatchObject({ outcome: 'installed', warnings: [] });
    expect(await installed(told.dir!)).toEqual(
      [
        '@scope/deep@2.0.0',
        '@scope/deep/good@2.0.0',
        'beside@1.0.0',
        'evil@1.0.0',
        'good@1.0.0',
        'holder@1.0.0',
        'holder/inner@3.0.0',
        'other@1.0.0',
      ].sort(),
    );
    // Its own files are as they came.
    expect(await readFile(join(told.dir!, 'npm-shrinkwrap.json'), 'utf8')).toBe(lockfileOf(plugin));
    expect((await readdir(told.dir!)).sort()).toEqual(['.chameleon', 'index.js', 'node_modules', 'npm-shrinkwrap.json', 'package.json']);
  });

  test('fetches what the archive did not bring, and leaves what it brought', TIMEOUT, async () => {
    const plugin: Plugin = {
      manifest: { dependencies: { good: '1.0.0', brought: '1.0.0', '@own/brought': '1.0.0' }, bundleDependencies: ['brought', '@own/brought'] },
      packages: {
        'node_modules/good': good,
        'node_modules/brought': { version: '1.0.0', inBundle: true, dependencies: { deep: '*', evil: '*' } },
        'node_modules/brought/node_modules/deep': { version: '1.0.0', inBundle: true },
        'node_modules/@own/brought': { version: '1.0.0', inBundle: true },
        'node_modules/evil': evil,
      },
      files: [...bundle('brought'), ...bundle('deep', 'brought/node_modules/deep'), ...bundle('@own/brought'), ...bundle('stowaway')],
    };
    const told = await user.install(await archiveOf(plugin, 'package-lock.json'));
    expect(told).toMatchObject({ outcome: 'installed' });
    expect(await installed(told.dir!)).toEqual(['@own/brought@1.0.0', 'brought/deep@1.0.0', 'brought@1.0.0', 'evil@1.0.0', 'good@1.0.0']);
  });

  test('asks the registry of this user alone, whichever one the lockfile names', TIMEOUT, async () => {
    const foreign = await Registry.open();
    try {
      const resolved = good.resolved.replace(registry.url, foreign.url);
      const told = await user.install(await archiveOf({ packages: { 'node_modules/good': { ...good, resolved } } }, 'package-lock.json'));
      expect(told).toMatchObject({ outcome: 'installed' });
      expect(foreign.requests).toEqual([]);
      expect(registry.requests.sort()).toEqual(['/good', '/good/-/good-1.0.0.tgz']);
    } finally {
      await foreign.close();
    }
  });

  test('installs nothing whose content is not the locked one, and says what npm said', TIMEOUT, async () => {
    const { integrity } = evil;
    const told = await user.install(await archiveOf({ packages: { 'node_modules/good': { ...good, integrity } } }, 'package-lock.json'));
    expect(told).toMatchObject({
      code: 'ERR_INSTALL_FAILED',
      reason: expect.stringMatching(/npm ci ended/),
      outputTail: expect.stringMatching(/EINTEGRITY/),
    });
    expect(await readdir(user.pluginDir)).toEqual([]);
  });

  test.each([
    ['name', { name: 'evil' }],
    ['version', { version: '1.0.1' }],
  ])('installs nothing whose package.json has another %s than the lockfile', TIMEOUT, async (_, manifest) => {
    const forged = registry.publish('good', '1.0.0', manifest);
    const told = await user.install(await archiveOf({ packages: { 'node_modules/good': forged } }, 'package-lock.json'));
    expect(told).toMatchObject({ code: 'ERR_INSTALL_FAILED', reason: expect.stringMatching(/"good@1\.0\.0" at "node_modules\/good"/) });
  });

  test('installs nothing where a package lacks what the lockfile says that it bundles', TIMEOUT, async () => {
    const packages = {
      'node_modules/good': { ...good, dependencies: { evil: '*' }, bundleDependencies: ['evil'] },
      'node_modules/good/node_modules/evil': { version: '1.0.0', inBundle: true },
    };
    const told = await user.install(await archiveOf({ packages }, 'package-lock.json'));
    expect(told).toMatchObject({ code: 'ERR_INSTALL_FAILED', reason: expect.stringMatching(/node_modules\/good\/node_modules\/evil/) });
    expect(registry.requests).not.toContain('/evil');
  });

  test('installs no package that holds a repository, whose configuration names programs', TIMEOUT, async () => {
    const holding = registry.publish('good', '1.0.0', {}, [{ path: 'package/.git/config', body: '[core]\nfsmonitor = touch mark' }]);
    const told = await user.install(await archiveOf({ packages: { 'node_modules/good': holding } }, 'package-lock.json'));
    expect(told).toMatchObject({ code: 'ERR_INSTALL_FAILED', reason: expect.stringMatching(/node_modules\/good\/\.git\/config/) });
    expect(await readdir(user.pluginDir)).toEqual([]);
  });

  test('obeys no lockfile inside a package that it fetched', TIMEOUT, async () => {
    const packages = { '': { name: 'good', version: '1.0.0' }, 'node_modules/extra': { version: '1.0.0', resolved: repository } };
    const body = JSON.stringify({ name: 'good', version: '1.0.0', lockfileVersion: 3, packages });
    const shrunk = registry.publish('good', '1.0.0', {}, [{ path: 'package/npm-shrinkwrap.json', body }]);
    const told = await user.install(await archiveOf({ packages: { 'node_modules/good': shrunk } }, 'package-lock.json'));
    expect(told).toMatchObject({ outcome: 'installed' });
    expect(await installed(told.dir!)).toEqual(['good@1.0.0']);
    expect(existsSync(mark)).toBe(false);
  });
});
