/** The catalog on a real folder. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Catalog, scanCatalog } from '../../src/catalog/catalog.ts';
import { highestSatisfying } from '../../src/catalog/reference.ts';
import { checkEngines, readRelease } from '../../src/catalog/release.ts';
import { ConfigInvalidError, type Issue, ManifestInvalidError } from '../../src/errors.ts';

let top: string;
let plugins: string;
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'chameleon-catalog-')));
  plugins = join(top, 'plugins');
  mkdirSync(plugins);
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function put(path: string, text = ''): void {
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), text);
}
function putPlugin(dir: string, manifest: Record<string, unknown>): void {
  put(`${dir}/package.json`, JSON.stringify(manifest));
  put(`${dir}/index.js`);
}
const found = ({ releases }: Catalog): Record<string, string[]> =>
  Object.fromEntries(Array.from(releases, ([name, all]) => [name, all.map((release) => release.version)]));
const refused = (catalog: Catalog): [string, string][] => catalog.refused.map(({ path, error }) => [path.slice(plugins.length + 1), error.message]);

async function issuesOf(run: () => Promise<unknown>): Promise<readonly Issue[]> {
  const error: unknown = await run().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ManifestInvalidError);
  return (error as ManifestInvalidError).issues;
}

describe('scanning', () => {
  test('finds every layout, and lists the highest version first', async () => {
    for (const version of ['1.9.0', '1.10.0', '2.0.0-rc.1']) putPlugin(`plugins/hello/${version}`, { name: 'hello', version });
    putPlugin('plugins/single', { name: 'single', version: '0.1.0' });
    putPlugin('plugins/@scope/one', { name: '@scope/one', version: '1.0.0' });
    putPlugin('plugins/@scope/many/3.0.0', { name: '@scope/many', version: '3.0.0' });
    const catalog = await scanCatalog(plugins);
    expect(catalog.refused).toEqual([]);
    expect(found(catalog)).toEqual({
      hello: ['2.0.0-rc.1', '1.10.0', '1.9.0'],
      single: ['0.1.0'],
      '@scope/one': ['1.0.0'],
      '@scope/many': ['3.0.0'],
    });
    const hello = catalog.releases.get('hello')!;
    expect(highestSatisfying(hello, '*')?.version).toBe('1.10.0');
    expect(hello[1]).toEqual({
      name: 'hello',
      version: '1.10.0',
      dir: join(plugins, 'hello/1.10.0'),
      entry: join(plugins, 'hello/1.10.0/index.js'),
      manifest: expect.objectContaining({ name: 'hello', entry: 'index.js' }),
    });
    expect(Object.isFrozen(hello[1])).toBe(true);
  });

  test('passes over files, dot-folders and node_modules', async () => {
    put('plugins/README.md');
    put('plugins/.git/config');
    putPlugin('plugins/node_modules/left-pad', { name: 'left-pad', version: '1.0.0' });
    putPlugin('plugins/hello/1.0.0', { name: 'hello', version: '1.0.0' });
    put('plugins/hello/notes.txt');
    put('plugins/hello/.DS_Store');
    const catalog = await scanCatalog(plugins);
    expect([found(catalog), catalog.refused]).toEqual([{ hello: ['1.0.0'] }, []]);
  });

  test('leaves the folders beside a package.json alone', async () => {
    putPlugin('plugins/single', { name: 'single', version: '1.0.0' });
    put('plugins/single/src/a.js');
    put('plugins/single/node_modules/x/package.json', '{');
    symlinkSync(top, join(plugins, 'single/linked'));
    const catalog = await scanCatalog(plugins);
    expect([found(catalog), catalog.refused]).toEqual([{ single: ['1.0.0'] }, []]);
  });

  test('refuses each bad plugin with its file and its reason, and keeps the good ones', async () => {
    putPlugin('plugins/good/1.0.0', { name: 'good', version: '1.0.0' });
    put('plugins/broken/1.0.0/package.json', '{\n  "name": }');
    put('plugins/hollow/readme.txt');
    put('plugins/versioned/1.0.0/index.js');
    putPlugin('plugins/good/latest', { name: 'good', version: '3.0.0' });
    putPlugin('plugins/good/v2.0.0', { name: 'good', version: '2.0.0' });
    putPlugin('plugins/renamed/1.0.0', { name: 'original', version: '1.0.1' });
    putPlugin('plugins/UPPER', { name: 'upper', version: '1.0.0' });
    put('plugins/unbuilt/package.json', JSON.stringify({ name: 'unbuilt', version: '1.0.0', main: 'dist/index.js' }));
    mkdirSync(join(plugins, '@empty'));
    const catalog = await scanCatalog(plugins);
    expect(found(catalog)).toEqual({ good: ['1.0.0'] });
    const reasons = Object.fromEntries(refused(catalog));
    expect(Object.keys(reasons).sort()).toEqual(
      ['UPPER', 'broken/1.0.0', 'good/latest', 'good/v2.0.0', 'hollow', 'renamed/1.0.0', 'unbuilt', 'versioned/1.0.0'].sort(),
    );
    expect(reasons['broken/1.0.0']).toMatch(/broken\/1\.0\.0\/package\.json: .*\n.*is not JSON: .*line 2/);
    expect(reasons['hollow']).toMatch(/neither a package\.json nor folders of versions/);
    expect(reasons['versioned/1.0.0']).toMatch(/package\.json.*\n.*is not there/);
    expect(reasons['good/v2.0.0']).toMatch(/"v2\.0\.0"/);
    expect(reasons['renamed/1.0.0']).toMatch(
      /folder says "renamed", package\.json says "original"[^]*folder says "1\.0\.0", package\.json says "1\.0\.1"/,
    );
    expect(reasons['unbuilt']).toMatch(/"dist\/index\.js" is not there; build the plugin/);
  });

  test('lists a version once, and refuses the second folder that claims it', async () => {
    putPlugin('plugins/twice', { name: 'twice', version: '1.0.0' });
    putPlugin('plugins/twice/1.0.0', { name: 'twice', version: '1.0.0' });
    putPlugin('plugins/twice/1.1.0', { name: 'twice', version: '1.1.0' });
    const catalog = await scanCatalog(plugins);
    expect(found(catalog)).toEqual({ twice: ['1.1.0', '1.0.0'] });
    expect(refused(catalog)).toEqual([['twice/1.0.0', expect.stringContaining(`${join(plugins, 'twice')} already`)]]);
  });

  test('reads nothing through a link, wherever it leads', async () => {
    putPlugin('outside/1.0.0', { name: 'hello', version: '1.0.0' });
    putPlugin('plugins/good/1.0.0', { name: 'good', version: '1.0.0' });
    mkdirSync(join(plugins, 'inner'));
    mkdirSync(join(plugins, '@scope'));
    symlinkSync(join(top, 'outside'), join(plugins, 'hello'));
    symlinkSync(join(top, 'outside/1.0.0'), join(plugins, 'inner/1.0.0'));
    symlinkSync(join(top, 'outside/1.0.0'), join(plugins, '@scope/x'));
    symlinkSync('1.0.0', join(plugins, 'good/2.0.0'));
    symlinkSync('nowhere', join(plugins, 'dangling'));
    symlinkSync('.', join(plugins, 'loop'));
    const catalog = await scanCatalog(plugins);
    expect(found(catalog)).toEqual({ good: ['1.0.0'] });
    expect(
      refused(catalog)
        .filter(([, message]) => message.includes('is a link'))
        .map(([path]) => path)
        .sort(),
    ).toEqual(['@scope/x', 'dangling', 'good/2.0.0', 'hello', 'inner/1.0.0', 'loop']);
  });

  test.each([
    ['nowhere', /is not there/],
    ['file.txt', /is not a folder/],
  ])('a plugin folder that is %s is a mistake in the configuration', async (name, reason) => {
    put('file.txt');
    const error: unknown = await scanCatalog(join(top, name)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigInvalidError);
    expect((error as ConfigInvalidError).issues).toEqual([{ path: 'pluginDir', message: expect.stringMatching(reason) }]);
  });
});

describe('reading one release', () => {
  test('a folder of any name will do when none is expected', async () => {
    putPlugin('somewhere/v1', { name: 'hello', version: '1.0.0' });
    symlinkSync(join(top, 'somewhere'), join(top, 'link'));
    expect((await readRelease(join(top, 'link/v1'))).dir).toBe(join(top, 'somewhere/v1'));
  });

  test('the entry is found as Node finds a main', async () => {
    put('p/package.json', JSON.stringify({ name: 'p', version: '1.0.0', main: './lib' }));
    put('p/lib/index.js');
    expect((await readRelease(join(top, 'p'))).entry).toBe(join(top, 'p/lib/index.js'));
    put('p/lib.js');
    expect((await readRelease(join(top, 'p'))).entry).toBe(join(top, 'p/lib.js'));
  });

  test('a command needs no entry', async () => {
    put('p/package.json', JSON.stringify({ name: 'p', version: '1.0.0', chameleon: { command: ['python3', 'main.py'] } }));
    expect((await readRelease(join(top, 'p'))).entry).toBeNull();
  });

  test('links that lead out of the folder are refused, links inside it followed', async () => {
    put('secret.js');
    put('p/package.json', JSON.stringify({ name: 'p', version: '1.0.0', main: 'out.js' }));
    symlinkSync(join(top, 'secret.js'), join(top, 'p/out.js'));
    expect(await issuesOf(() => readRelease(join(top, 'p')))).toEqual([
      { path: 'main', message: expect.stringContaining('leads out of the folder') },
    ]);
    rmSync(join(top, 'p/out.js'));
    put('p/real.js');
    symlinkSync('real.js', join(top, 'p/out.js'));
    expect((await readRelease(join(top, 'p'))).entry).toBe(join(top, 'p/real.js'));
    put('q.json', '{}');
    mkdirSync(join(top, 'q'));
    symlinkSync(join(top, 'q.json'), join(top, 'q/package.json'));
    expect(await issuesOf(() => readRelease(join(top, 'q')))).toEqual([{ path: '', message: expect.stringContaining('leads out of the folder') }]);
  });

  test('what is no folder, or no regular package.json, says so', async () => {
    put('file');
    mkdirSync(join(top, 'odd/package.json'), { recursive: true });
    put('large/package.json', ' '.repeat(2 ** 20 + 1));
    const message = async (dir: string) => (await issuesOf(() => readRelease(dir)))[0]?.message;
    expect(await message(join(top, 'nowhere'))).toMatch(/is not there/);
    expect(await message(join(top, 'file'))).toMatch(/is a file/);
    expect(await message(join(top, 'odd'))).toMatch(/not a regular file/);
    expect(await message(join(top, 'large'))).toMatch(/larger than/);
    expect(await message('')).toMatch(/no folder/);
    expect(await message('a\0b')).toMatch(/null bytes/);
  });
});

describe('engines', () => {
  const release = async (engines: object) => {
    putPlugin('p', { name: 'p', version: '1.0.0', engines });
    return readRelease(join(top, 'p'));
  };

  test('both are held against what runs here, and told together', async () => {
    const one = await release({ chameleon: '^2', node: '>=99' });
    expect(() => checkEngines(one, { chameleon: '1.2.3', node: '20.19.0' })).toThrow(
      /engines\.chameleon: this is Chameleon 1\.2\.3[^]*engines\.node: this is Node 20\.19\.0/,
    );
    expect(() => checkEngines(one, { chameleon: '2.0.1', node: null })).not.toThrow();
    const any = await release({});
    expect(() => checkEngines(any, { chameleon: '0.0.1', node: '20.19.0' })).not.toThrow();
  });

  test('a pre-release of an engine is admitted where its version would be', async () => {
    const one = await release({ node: '>=22', chameleon: '^1.0.0' });
    expect(() => checkEngines(one, { chameleon: '1.1.0-rc.1', node: '25.0.0-nightly' })).not.toThrow();
  });
});
