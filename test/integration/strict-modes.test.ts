/** Plugins that another user could change: refused under strictModes, else named in one warning. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSupervisor, defaultOptions, installPlugin, planPlugins, type Supervisor, type SupervisorOptions } from '../../src/index.ts';
import { testWith } from '../helpers/parts.ts';
import { putFiles, putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const SOMEBODY = 12345;
const testAsRoot = testWith('another user to become', process.getuid?.() === 0);

/** A supervisor, and the warnings that it logs. */
async function start(options: SupervisorOptions): Promise<{ supervisor: Supervisor; warnings: string[] }> {
  const warnings: string[] = [];
  const logger = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message), error() {} };
  return { supervisor: supervise.own(await createSupervisor({ logger, ...options })), warnings };
}

const refusalsOf = (supervisor: Supervisor): { path: string; code: string }[] =>
  supervisor.status().refused.map(({ path, code }) => ({ path, code }));

test('strictModes is the default for root, and for nobody else', () => {
  expect(defaultOptions.strictModes).toBe(process.geteuid?.() === 0);
});

describe('a folder that others could change', () => {
  const places: [string, (pluginDir: string, dir: string) => string][] = [
    ['the plugin folder', (pluginDir) => pluginDir],
    ['the folder above it', (pluginDir) => join(pluginDir, '..')],
    ["a plugin's folder", (_, dir) => join(dir, '..')],
    ["a version's folder", (_, dir) => dir],
    ["a version's package.json", (_, dir) => join(dir, 'package.json')],
    ["a version's module", (_, dir) => join(dir, 'index.js')],
  ];
  test.each(places)('is refused under strictModes, and is one warning without: %s', async (_, pick) => {
    const pluginDir = join(await supervise.tempDir(), 'above', 'plugins');
    const dir = await putFixture(pluginDir, 'polite');
    const exposed = pick(pluginDir, dir);
    chmodSync(exposed, 0o777);

    const strict = await start({ pluginDir, strictModes: true });
    expect(strict.supervisor.status().plugins).toEqual([]);
    const [refused] = strict.supervisor.status().refused;
    expect(refused).toMatchObject({ path: dir, code: 'ERR_UNSAFE_FOLDER' });
    expect(refused!.message).toContain(`${exposed} may be written by other users (mode 777)`);
    expect(refused!.message).toMatch(/chmod go-w.*strictModes: false/);
    await expect(strict.supervisor.call('polite', 'echo', [1])).rejects.toMatchObject({
      code: 'ERR_PLUGIN_UNAVAILABLE',
      state: 'refused',
      version: '1.0.0',
      message: expect.stringContaining(exposed) as string,
    });
    expect(await planPlugins({ pluginDir, strictModes: true })).toMatchObject({ plugins: [], refused: [{ path: dir }], warnings: [] });

    const lenient = await start({ pluginDir, strictModes: false });
    expect(lenient.supervisor.status('polite').state).toBe('active');
    await lenient.supervisor.reload('polite');
    await lenient.supervisor.reconfigure({ pluginDir, strictModes: false });
    expect(lenient.warnings).toEqual([expect.stringContaining(`${exposed} may be written by other users`)]);
    const plan = await planPlugins({ pluginDir, strictModes: false });
    expect(plan).toMatchObject({ plugins: [{ start: 'active' }], refused: [], warnings: lenient.warnings });
  });

  test('keeps no plugin in a safe folder from running, and no lower version', async () => {
    const pluginDir = await supervise.tempDir();
    await putFixture(pluginDir, 'polite');
    await putFixture(pluginDir, 'polite', { version: '9.0.0', name: 'other' });
    chmodSync(await putFixture(pluginDir, 'polite', { version: '9.0.0' }), 0o777);
    const { supervisor, warnings } = await start({ pluginDir, strictModes: true });
    expect(supervisor.status('other')).toMatchObject({ state: 'active', version: '9.0.0' });
    expect(supervisor.status('polite')).toMatchObject({ state: 'active', version: '1.0.0' });
    expect(refusalsOf(supervisor)).toEqual([{ path: join(pluginDir, 'polite', '9.0.0'), code: 'ERR_UNSAFE_FOLDER' }]);
    expect(warnings).toEqual([]);
  });

  test('ends a start with strict: true', async () => {
    const pluginDir = await supervise.tempDir();
    chmodSync(await putFixture(pluginDir, 'polite'), 0o777);
    expect(await rejection(createSupervisor({ pluginDir, strict: true, strictModes: true }))).toMatchObject({
      code: 'ERR_UNSAFE_FOLDER',
      plugin: 'polite',
      path: join(pluginDir, 'polite', '1.0.0'),
    });
  });

  test('is refused by load and reload, and what serves then serves on', async () => {
    const pluginDir = await supervise.tempDir();
    const [one, two] = [await putFixture(pluginDir, 'polite'), await putFixture(pluginDir, 'polite', { version: '2.0.0' })];
    const { supervisor } = await start({ strictModes: true });
    chmodSync(two, 0o777);
    await supervisor.load(one);
    expect(await rejection(supervisor.load(two))).toMatchObject({ code: 'ERR_UNSAFE_FOLDER', path: two, version: '2.0.0' });
    chmodSync(one, 0o777);
    expect(await rejection(supervisor.reload('polite'))).toMatchObject({ code: 'ERR_UNSAFE_FOLDER', path: one });
    expect(supervisor.status('polite')).toMatchObject({ state: 'active', version: '1.0.0' });
  });

  test('is not started again after a crash', async () => {
    const pluginDir = await supervise.tempDir();
    const dir = await putFixture(pluginDir, 'polite');
    const { supervisor } = await start({ pluginDir, strictModes: true, defaults: { restart: { backoffMs: 0 } } });
    chmodSync(dir, 0o777);
    process.kill(supervisor.status('polite').versions[0]!.pid!, 'SIGKILL');
    await until('the plugin has failed', () => supervisor.status('polite').state === 'failed');
    expect(await rejection(supervisor.call('polite', 'echo', [1]))).toMatchObject({ cause: { code: 'ERR_UNSAFE_FOLDER', path: dir } });
  });

  test('is not started on demand, and not for the first call', async () => {
    const pluginDir = await supervise.tempDir();
    await putFixture(pluginDir, 'polite');
    const { supervisor } = await start({ pluginDir, strictModes: true, defaults: { onDemand: true, lazy: true } });
    chmodSync(await putFixture(pluginDir, 'polite', { version: '2.0.0' }), 0o777);
    expect(await rejection(supervisor.call('polite@2', 'echo', [1]))).toMatchObject({ code: 'ERR_UNSAFE_FOLDER' });
    expect(supervisor.status('polite').versions.map(({ version }) => version)).toEqual(['1.0.0']);
    chmodSync(join(pluginDir, 'polite'), 0o777);
    expect(await rejection(supervisor.call('polite@1', 'echo', [1]))).toMatchObject({ cause: { code: 'ERR_UNSAFE_FOLDER' } });
  });

  test('is refused where a watched folder gets it, and started once it is closed to others and options are followed', async () => {
    const pluginDir = await supervise.tempDir();
    const { supervisor } = await start({ pluginDir, watch: true, strictModes: true });
    const draft = await putFixture(await supervise.tempDir(), 'polite');
    chmodSync(draft, 0o777);
    mkdirSync(join(pluginDir, 'polite'));
    const dir = join(pluginDir, 'polite', '1.0.0');
    renameSync(draft, dir);
    await until('it is refused', () => refusalsOf(supervisor).some(({ code }) => code === 'ERR_UNSAFE_FOLDER'));
    expect(supervisor.status().plugins).toEqual([]);
    chmodSync(dir, 0o755);
    expect(await supervisor.reconfigure({ pluginDir, watch: true, strictModes: true })).toMatchObject({ changed: ['polite'], failed: [] });
    expect(refusalsOf(supervisor)).toEqual([]);
  });

  test('is started once options without strictModes are followed', async () => {
    const pluginDir = await supervise.tempDir();
    chmodSync(await putFixture(pluginDir, 'polite'), 0o777);
    const { supervisor, warnings } = await start({ pluginDir, strictModes: true });
    expect(await supervisor.reconfigure({ pluginDir, strictModes: false })).toMatchObject({ changed: ['polite'], failed: [] });
    expect(warnings).toHaveLength(1);
  });

  test('gets a version installed with a warning', async () => {
    const source = await putFixture(await supervise.tempDir(), 'polite');
    const pluginDir = await supervise.tempDir();
    expect((await installPlugin(source, { pluginDir })).warnings.filter((warning) => warning.includes('strictModes'))).toEqual([]);
    chmodSync(pluginDir, 0o777);
    const { outcome, warnings } = await installPlugin(source, { pluginDir });
    expect(outcome).toBe('already-there');
    expect(warnings).toEqual([expect.stringMatching(/other users could change .*strictModes refuses .*mode 777/)]);
    expect(readdirSync(pluginDir)).toEqual(['polite']);
  });
});

describe('a plugin folder that is named by a link', () => {
  test('is used where only this user could change the link', async () => {
    const pluginDir = await supervise.tempDir();
    await putFixture(pluginDir, 'polite');
    const link = join(await supervise.tempDir(), 'link');
    symlinkSync(pluginDir, link);
    const { supervisor, warnings } = await start({ pluginDir: link, strictModes: true });
    expect(supervisor.status('polite').state).toBe('active');
    expect(warnings).toEqual([]);
  });

  test('is refused where others could let the link lead elsewhere', async () => {
    const pluginDir = await supervise.tempDir();
    await putFixture(pluginDir, 'polite');
    const open = await supervise.tempDir();
    symlinkSync(pluginDir, join(open, 'link'));
    chmodSync(open, 0o777);
    const { supervisor } = await start({ pluginDir: join(open, 'link'), strictModes: true });
    expect(refusalsOf(supervisor)).toMatchObject([{ code: 'ERR_UNSAFE_FOLDER' }]);
    expect(await rejection(supervisor.load(join(open, 'link', 'polite', '1.0.0')))).toMatchObject({ code: 'ERR_UNSAFE_FOLDER' });
    expect(supervisor.status().plugins).toEqual([]);
  });
});

test('a program of a plugin that others could change is refused', async () => {
  const pluginDir = await supervise.tempDir();
  const dir = await putFixture(pluginDir, 'polite', { main: undefined, chameleon: { command: ['./serve'] } });
  await putFiles(dir, { serve: '' });
  chmodSync(join(dir, 'serve'), 0o777);
  const plan = await planPlugins({ pluginDir, strictModes: true });
  expect(plan).toMatchObject({ plugins: [], refused: [{ path: dir, error: { code: 'ERR_UNSAFE_FOLDER' } }] });
  expect(plan.refused[0]!.error.message).toContain(join(dir, 'serve'));
});

testAsRoot('root refuses plugins of another user by default, in a folder with one member in its group too', async () => {
  const pluginDir = await supervise.tempDir();
  const dir = await putFixture(pluginDir, 'polite');
  chownSync(dir, SOMEBODY, SOMEBODY);
  const owned = await start({ pluginDir });
  expect(owned.supervisor.status().refused).toMatchObject([{ code: 'ERR_UNSAFE_FOLDER' }]);
  expect(owned.supervisor.status().refused[0]!.message).toContain(`${dir} belongs to user ${SOMEBODY}`);
  chownSync(dir, 0, SOMEBODY);
  chmodSync(dir, 0o775);
  const grouped = await start({ pluginDir });
  expect(refusalsOf(grouped.supervisor)).toEqual([{ path: dir, code: 'ERR_UNSAFE_FOLDER' }]);
});

testAsRoot("another user than root starts root's plugins and those of its own group without a warning, and others with one", async () => {
  const pluginDir = await supervise.tempDir();
  chmodSync(pluginDir, 0o755);
  const index = join(import.meta.dirname, '../../dist/src/index.js');
  const script = `const { planPlugins } = await import(${JSON.stringify(index)});
    const { plugins, refused, warnings } = await planPlugins({ pluginDir: ${JSON.stringify(pluginDir)} });
    console.log(JSON.stringify([plugins.length, refused.length, warnings.length]));`;
  const asSomebody = ['setpriv', '--reuid', `${SOMEBODY}`, '--regid', `${SOMEBODY}`, '--clear-groups'];
  /** Where these lines are all of /etc/passwd. */
  const plan = async (users: string): Promise<unknown> => {
    const passwd = join(await supervise.tempDir(), 'passwd');
    writeFileSync(passwd, users);
    const mounted = ['--mount', 'sh', '-c', 'mount --bind "$0" /etc/passwd && exec "$@"', passwd];
    const run = [...mounted, ...asSomebody, process.execPath, '--input-type=module', '-e', script];
    return JSON.parse(execFileSync('unshare', run, { encoding: 'utf8' }));
  };
  const alone = `somebody:x:${SOMEBODY}:${SOMEBODY}::/:/bin/sh\n`;
  const dir = await putFixture(pluginDir, 'polite');
  expect(await plan(alone)).toEqual([1, 0, 0]);
  chownSync(dir, SOMEBODY, SOMEBODY);
  chmodSync(dir, 0o775);
  expect(await plan(alone)).toEqual([1, 0, 0]);
  expect(await plan(`${alone}other:x:${SOMEBODY + 1}:${SOMEBODY}::/:/bin/sh\n`)).toEqual([1, 0, 1]);
  chownSync(dir, SOMEBODY + 1, SOMEBODY);
  expect(await plan(alone)).toEqual([1, 0, 1]);
});
