/** Installing as a host does it: from a folder, an archive and the registry, with dependencies, twice at once, and given up half-way. */
import { execFile } from 'node:child_process';
import { watch } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { installPlugin, type InstallProgress, verifyPlugins } from '../../src/index.ts';
import { processesMarked } from '../../src/process/marker.ts';
import { CLOCK, clock, MANIFEST, putArchive, sound } from '../helpers/archives.ts';
import { rejection } from '../helpers/rejection.ts';
import { examples, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const NETWORK_MS = 120_000;

async function place(): Promise<{ home: string; pluginDir: string }> {
  const home = await supervise.tempDir();
  const pluginDir = join(home, 'plugins');
  await mkdir(pluginDir);
  return { home, pluginDir };
}

const atWork = async (): Promise<number> => (await processesMarked((marker) => marker.startsWith(`${process.pid}-`))).length;

describe('what is installed', () => {
  test('a folder: what npm would pack of it, and its dependencies from its lockfile; then it runs', { timeout: NETWORK_MS }, async () => {
    const { home, pluginDir } = await place();
    const source = join(home, 'source');
    await cp(join(examples, 'markdown/1.0.0'), source, { recursive: true, filter: (path) => !path.includes('node_modules') });
    await mkdir(join(source, 'test'));
    await writeFile(join(source, 'test/notes.txt'), 'not for others');
    await writeFile(join(source, '.npmignore'), 'test\n');
    const phases: InstallProgress['phase'][] = [];
    const result = await installPlugin(source, { pluginDir, onProgress: ({ phase }) => phases.push(phase) });
    const dir = join(pluginDir, 'markdown/1.0.0');
    expect(result).toMatchObject({ plugin: 'markdown', version: '1.0.0', dir, outcome: 'installed' });
    expect(result.files).toBeGreaterThan(10);
    expect(phases).toEqual(['reading', 'unpacking', 'checking', 'dependencies', 'hashing', 'placing']);
    expect((await readdir(dir)).sort()).toEqual(['.chameleon', 'index.js', 'node_modules', 'package-lock.json', 'package.json']);
    expect(await readdir(pluginDir)).toEqual(['markdown']);
    expect(await verifyPlugins({ pluginDir })).toEqual([{ plugin: 'markdown', version: '1.0.0', dir, outcome: 'whole', error: null }]);

    const { supervisor } = await supervise({ pluginDir });
    expect(await supervisor.call('markdown', 'render', ['*hi*'])).toContain('<em>hi</em>');
  });

  test('a version that the registry has', { timeout: NETWORK_MS }, async () => {
    const { pluginDir } = await place();
    const result = await installPlugin('ms@2.1.3', { pluginDir });
    expect(result).toMatchObject({ plugin: 'ms', version: '2.1.3', dir: join(pluginDir, 'ms/2.1.3'), outcome: 'installed' });
    expect(JSON.parse(await readFile(join(result.dir, 'package.json'), 'utf8'))).toMatchObject({ name: 'ms', version: '2.1.3' });
    expect(result.warnings).toEqual([expect.stringMatching(/ms@2\.1\.3 is no plugin as far as can be seen/)]);
  });

  test('a version that it does not have: what npm said', { timeout: NETWORK_MS }, async () => {
    const { pluginDir } = await place();
    const error = await rejection(installPlugin('ms@2.1.99999', { pluginDir }));
    expect(error).toMatchObject({ code: 'ERR_INSTALL_FAILED', phase: 'reading', outputTail: expect.stringMatching(/ETARGET|No matching version/) });
    expect(await readdir(pluginDir)).toEqual([]);
  });

  test.each([
    ['nothing', '', 'ERR_CONFIG_INVALID', /expected a folder/],
    ['a name without a version', 'hello', 'ERR_INSTALL_FAILED', /NAME@VERSION/],
    ['a range', 'hello@^1', 'ERR_INSTALL_FAILED', /has to be exact/],
    ['a path to nowhere', './nowhere', 'ERR_INSTALL_FAILED', /is not there/],
    ['an address', 'https://example.org/a.tgz', 'ERR_INSTALL_FAILED', /fetch it first/],
    ['a device', '/dev/null', 'ERR_INSTALL_FAILED', /neither a folder nor an archive/],
    ['a folder that is no plugin', import.meta.dirname, 'ERR_MANIFEST_INVALID', /is not there/],
  ])('not %s', async (_, source, code, message) => {
    const { pluginDir } = await place();
    expect(await rejection(installPlugin(source, { pluginDir }))).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(await readdir(pluginDir)).toEqual([]);
  });

  test.each(['index.ts', 'index.mts', 'index.tsx', 'index.jsx'])('not source that has to be built first: %s', async (main) => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), [...sound({ ...MANIFEST, main }), { path: `package/${main}`, body: 'export default {}' }]);
    const folder = join(home, 'folder');
    await mkdir(folder);
    await writeFile(join(folder, 'package.json'), JSON.stringify({ ...MANIFEST, main }));
    await writeFile(join(folder, main), 'export default {}');
    for (const source of [archive, folder]) {
      const error = await rejection(installPlugin(source, { pluginDir }));
      expect(error).toMatchObject({ code: 'ERR_MANIFEST_INVALID', issues: [{ path: 'main', message: expect.stringMatching(/build it first/) }] });
    }
    expect(await readdir(pluginDir)).toEqual([]);
  });

  test('a plugin is not warned of, however it names its methods', async () => {
    const { home, pluginDir } = await place();
    const plain = await putArchive(join(home, 'a.tgz'), sound());
    const declared = { ...MANIFEST, version: '2.0.0', chameleon: { methods: { greet: {} } } };
    const inManifest = await putArchive(join(home, 'b.tgz'), [
      { path: 'package/package.json', body: JSON.stringify(declared) },
      { path: 'package/index.js', body: "export { default } from 'elsewhere';\n" },
    ]);
    for (const archive of [plain, inManifest])
      expect(await installPlugin(archive, { pluginDir })).toMatchObject({ outcome: 'installed', warnings: [] });
  });

  test('into a plugin folder only: none, one below nowhere, a file', async () => {
    const { home } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), sound());
    for (const pluginDir of [undefined, join(home, 'no/where'), archive]) {
      expect(await rejection(installPlugin(archive, { pluginDir }))).toMatchObject({ code: 'ERR_CONFIG_INVALID', issues: [{ path: 'pluginDir' }] });
    }
    expect(await installPlugin(archive, { pluginDir: join(home, 'new') })).toMatchObject({ outcome: 'installed' });
  });
});

describe('a version that is there', () => {
  test('is not installed again; other content for it is refused; what is damaged is replaced', async () => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), sound());
    const { dir } = await installPlugin(archive, { pluginDir });
    expect(await installPlugin(archive, { pluginDir })).toMatchObject({ dir, files: 2, outcome: 'already-there' });

    const other = await putArchive(join(home, 'b.tgz'), [...sound(), { path: 'package/more.js', body: '' }]);
    expect(await rejection(installPlugin(other, { pluginDir }))).toMatchObject({
      code: 'ERR_INSTALL_FAILED',
      reason: /* prettier-ignore */ expect.stringMatching(/with other content/),
    });
    expect(await verifyPlugins({ pluginDir })).toMatchObject([{ outcome: 'whole' }]);

    await writeFile(join(dir, 'index.js'), 'changed');
    expect(await installPlugin(archive, { pluginDir })).toMatchObject({ dir, outcome: 'repaired' });
    expect(await verifyPlugins({ pluginDir })).toMatchObject([{ outcome: 'whole' }]);
    expect(await readdir(pluginDir)).toEqual(['packed']);
  });

  test('put there by hand is left alone', async () => {
    const { home, pluginDir } = await place();
    await mkdir(join(pluginDir, 'packed/1.0.0'), { recursive: true });
    await writeFile(join(pluginDir, 'packed/1.0.0/mine'), '');
    const archive = await putArchive(join(home, 'a.tgz'), sound());
    expect(await rejection(installPlugin(archive, { pluginDir }))).toMatchObject({
      reason: /* prettier-ignore */ expect.stringMatching(/put there by hand/),
    });
    expect(await readdir(join(pluginDir, 'packed/1.0.0'))).toEqual(['mine']);
  });

  test('installed in two processes at once: one wins, both succeed', { timeout: NETWORK_MS }, async () => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), clock());
    const script = `import { installPlugin } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../dist/src/index.js')).href)};
      console.log((await installPlugin(process.argv[1], { pluginDir: process.argv[2] })).outcome);`;
    const one = (): Promise<string> =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, archive, pluginDir]).then(({ stdout }) => stdout.trim());
    expect((await Promise.all([one(), one()])).sort()).toEqual(['already-there', 'installed']);
    expect(await verifyPlugins({ pluginDir })).toMatchObject([{ plugin: 'clock', version: '1.0.0', outcome: 'whole' }]);
    expect(await readdir(pluginDir)).toEqual(['clock']);
  });

  test('installed ten times at once in one process: one wins, all succeed', async () => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), sound({ ...MANIFEST, name: '@scope/packed' }));
    const results = await Promise.all(Array.from({ length: 10 }, () => installPlugin(archive, { pluginDir })));
    expect(results.map(({ outcome }) => outcome).sort()).toEqual([...Array.from({ length: 9 }, () => 'already-there'), 'installed']);
    expect(await readdir(pluginDir)).toEqual(['@scope']);
  });
});

describe('dependencies', () => {
  test('without a lockfile: refused, with what to do', async () => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), sound(CLOCK));
    const error = await rejection(installPlugin(archive, { pluginDir }));
    expect(error).toMatchObject({
      code: 'ERR_INSTALL_FAILED',
      phase: 'dependencies',
      message: expect.stringMatching(/ms.*npm-shrinkwrap\.json.*bundle/),
    });
    expect(await readdir(pluginDir)).toEqual([]);
  });

  test('a lockfile that does not fit package.json is refused before npm is started', async () => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), clock({ ...CLOCK, dependencies: { ms: '^1.0.0' } }));
    const error = await rejection(installPlugin(archive, { pluginDir }));
    expect(error).toMatchObject({
      phase: 'dependencies',
      reason: expect.stringMatching(/not in sync.*"ms" is 2\.1\.3 and not \^1\.0\.0/),
      outputTail: '',
    });
    expect(await readdir(pluginDir)).toEqual([]);
  });

  test('a package whose content is not the locked one is not installed', { timeout: NETWORK_MS }, async () => {
    const { home, pluginDir } = await place();
    const wrong = `sha512-${Buffer.alloc(64).toString('base64')}`;
    const archive = await putArchive(join(home, 'a.tgz'), clock(CLOCK, { integrity: wrong }));
    // Else npm asks again for more than two minutes.
    process.env['npm_config_fetch_retries'] = '0';
    const error = await rejection(installPlugin(archive, { pluginDir })).finally(() => delete process.env['npm_config_fetch_retries']);
    expect(error).toMatchObject({ phase: 'dependencies', outputTail: expect.stringMatching(/EINTEGRITY/) });
    expect(await readdir(pluginDir)).toEqual([]);
  });

  test('a lockfile that would write elsewhere never gets to npm', async () => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), clock(CLOCK, {}, 'node_modules/../../../evil'));
    expect(await rejection(installPlugin(archive, { pluginDir }))).toMatchObject({
      reason: expect.stringMatching(/outside node_modules/),
      outputTail: '',
    });
  });

  test('that the archive brought along are left as they are, and run no script', async () => {
    const { home, pluginDir } = await place();
    const script = `node -e "fs.writeFileSync('${join(home, 'mark')}', '')"`;
    const one = { name: 'one', version: '1.0.0', scripts: { install: script } };
    const archive = await putArchive(join(home, 'a.tgz'), [
      ...sound({ ...MANIFEST, dependencies: { one: '1' }, scripts: { install: script, prepare: script } }),
      { path: 'package/node_modules/one/package.json', body: JSON.stringify(one) },
    ]);
    const told = await installPlugin(archive, { pluginDir, allowScripts: ['one'] });
    expect(told).toMatchObject({ files: 3, warnings: [expect.stringMatching(/no script of "one" ran/)] });
    expect(await readdir(home)).not.toContain('mark');
    expect(await verifyPlugins({ pluginDir })).toMatchObject([{ outcome: 'whole' }]);
  });
});

describe('given up', () => {
  test('by its signal, while npm is at work: nothing is left, no process either', { timeout: NETWORK_MS }, async () => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), clock());
    const abort = new AbortController();
    const installing = installPlugin(archive, { pluginDir, signal: abort.signal });
    const outcome = rejection(installing);
    await until('npm is at work', async () => (await atWork()) > 0);
    abort.abort();
    expect(await outcome).toMatchObject({ code: 'ERR_INSTALL_FAILED', reason: 'cancelled' });
    expect(await readdir(pluginDir)).toEqual([]);
    expect(await atWork()).toBe(0);
  });

  test('by the end of its process: what it left is swept by the next; what others are at work on is not', async () => {
    const { home, pluginDir } = await place();
    const archive = await putArchive(join(home, 'a.tgz'), sound());
    const other = await putArchive(join(home, 'b.tgz'), sound({ ...MANIFEST, name: 'other' }));
    // Watched, not polled for: between two looks the whole of it may have come and gone.
    const seen: string[] = [];
    const watcher = watch(pluginDir, (_, name) => void seen.push(name ?? ''));
    const before = installPlugin(other, { pluginDir });
    await until('it is at work', () => seen.some((name) => name.startsWith('.staging-')));
    watcher.close();
    const mine = seen.find((name) => name.startsWith('.staging-'))!;
    // The pid is ours, the start time is not: whoever it was is gone.
    const dead = mine.replace(/-[0-9]+-([0-9a-f-]{36})$/, '-1-$1');
    const foreign = mine.replace(/^\.staging-[0-9a-f]{12}/, '.staging-aaaaaaaaaaaa');
    for (const name of [dead, foreign]) await mkdir(join(pluginDir, name, 'tree'), { recursive: true });
    await installPlugin(archive, { pluginDir });
    await before;
    expect((await readdir(pluginDir)).sort()).toEqual([foreign, 'other', 'packed']);
    await rm(join(pluginDir, foreign), { recursive: true });
  });
});
