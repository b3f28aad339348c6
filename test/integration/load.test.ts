/** How plugins come: from the plugin folder, by load(), by options that change. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSupervisor, type ConfigInvalidError, type VersionNotFoundError } from '../../src/index.ts';
import { putFixture, putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, ourChildren, useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

const whoOf = async (supervisor: { call(plugin: string, method: string): Promise<unknown> }, plugin = 'polite') =>
  (await supervisor.call(plugin, 'who')) as { version: string; pid: number; options: unknown; initArgs: unknown };

/** A plugin folder with these versions of one plugin. */
async function folderOf(...versions: string[]): Promise<string> {
  const folder = await supervise.tempDir();
  for (const version of versions) await putFixture(folder, 'polite', { version });
  return folder;
}

describe('the plugin folder', () => {
  test('starts the highest stable version in range, and nothing else', async () => {
    const { supervisor } = await supervise({ pluginDir: await folderOf('1.0.0', '1.2.0', '2.0.0', '3.0.0-beta.1'), defaults: { version: '^1' } });
    expect(supervisor.status('polite')).toMatchObject({ version: '1.2.0', state: 'active', versions: [{ version: '1.2.0', active: true }] });
    expect(await whoOf(supervisor)).toMatchObject({ version: '1.2.0', pid: supervisor.status('polite').pid });
    expect(supervisor.methods('polite')).toContain('echo');
  });

  test('pinned versions run beside the active one, and name@range finds the highest that runs', async () => {
    const { supervisor } = await supervise({ pluginDir: await folderOf('1.0.0', '1.2.0', '2.0.0'), defaults: { pin: ['1.0.0', '^1'] } });
    expect(supervisor.status('polite').versions.map(({ version, active }) => [version, active])).toEqual(
      expect.arrayContaining([
        ['2.0.0', true],
        ['1.0.0', false],
        ['1.2.0', false],
      ]),
    );
    expect((await whoOf(supervisor)).version).toBe('2.0.0');
    expect((await whoOf(supervisor, 'polite@^1')).version).toBe('1.2.0');
    expect((await whoOf(supervisor, 'polite@1.0.x')).version).toBe('1.0.0');
    expect((await whoOf(supervisor, 'polite@>=1')).version).toBe('2.0.0');
    const error = await rejection<VersionNotFoundError>(supervisor.call('polite@^3', 'who'));
    expect(error).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND', range: '^3' });
    expect(error.available.toSorted()).toEqual(['1.0.0', '1.2.0', '2.0.0']);
  });

  test('a plugin that is not enabled stays on disk', async () => {
    const { supervisor } = await supervise({ pluginDir: await folderOf('1.0.0'), plugins: { polite: { enabled: false } } });
    expect(supervisor.status().plugins).toEqual([]);
    expect(await rejection(supervisor.call('polite', 'who'))).toMatchObject({ code: 'ERR_PLUGIN_NOT_FOUND', available: [] });
  });

  test('no version in range is refused, and the other plugins start', async () => {
    const folder = await folderOf('1.0.0');
    await putFixture(folder, 'throws');
    const { supervisor } = await supervise({ pluginDir: folder, plugins: { polite: { version: '^9' } } });
    expect(supervisor.status().plugins.map(({ name }) => name)).toEqual(['throws']);
    expect(supervisor.status().refused).toMatchObject([{ code: 'ERR_VERSION_NOT_FOUND' }]);
  });
});

describe('createSupervisor', () => {
  test('resolves when a plugin cannot start: the others run, and status says why', async () => {
    const folder = await folderOf('1.0.0');
    await putFiles(join(folder, 'broken'), {
      'package.json': JSON.stringify({ name: 'broken', version: '1.0.0', type: 'module' }),
      'index.js': 'throw new Error("never")',
    });
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const supervisor = await createSupervisor({ logger, pluginDir: folder, defaults: { restart: { maxRestarts: 0 } } });
    try {
      expect(supervisor.status('broken').versions[0]).toMatchObject({ state: 'failed', lastError: { code: 'ERR_START_FAILED' } });
      expect(await rejection(supervisor.call('broken', 'x'))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', state: 'failed' });
      expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
    } finally {
      await supervisor.close();
    }
  });

  test('with strict rejects with the first error, and leaves nothing running', async () => {
    const folder = await folderOf('1.0.0');
    await putFiles(join(folder, 'broken'), { 'package.json': '{' });
    expect(await rejection(createSupervisor({ pluginDir: folder, strict: true }))).toMatchObject({ code: 'ERR_MANIFEST_INVALID' });
    expect(await ourChildren()).toEqual([]);
  });

  test('without a plugin folder starts empty', async () => {
    const { supervisor } = await supervise();
    expect(supervisor.status()).toMatchObject({ state: 'running', plugins: [], refused: [], pid: process.pid });
  });
});

describe('load', () => {
  test('starts a first version, then replaces it by another, blue-green', async () => {
    const folder = await folderOf('1.0.0', '2.0.0');
    const { supervisor, events } = await supervise();
    const first = await supervisor.load(join(folder, 'polite/1.0.0'));
    expect(first).toMatchObject({
      outcome: 'promoted',
      plugin: 'polite',
      from: null,
      to: '1.0.0',
      phases: [{ name: 'preparing' }, { name: 'probing' }],
    });
    const { pid } = supervisor.status('polite');
    expect(await supervisor.load(join(folder, 'polite/2.0.0'))).toMatchObject({ from: '1.0.0', to: '2.0.0' });
    expect(await whoOf(supervisor)).toMatchObject({ version: '2.0.0' });
    expect(supervisor.status('polite').pid).not.toBe(pid);
    expect(events.flatMap((event) => (event.kind === 'plugin-activated' ? [[event.from, event.version]] : []))).toEqual([
      [null, '1.0.0'],
      ['1.0.0', '2.0.0'],
    ]);
  });

  test('refuses the version that is active already', async () => {
    const { supervisor } = await supervise.fixture('polite');
    const { pid } = supervisor.status('polite');
    expect(await rejection(supervisor.load(join(fixtures, 'polite')))).toMatchObject({
      code: 'ERR_PLUGIN_EXISTS',
      plugin: 'polite',
      version: '1.0.0',
    });
    expect(supervisor.status('polite').pid).toBe(pid);
  });

  test('twice at once starts one, and refuses the other', async () => {
    const { supervisor } = await supervise();
    const both = await Promise.allSettled([supervisor.load(join(fixtures, 'polite')), supervisor.load(join(fixtures, 'polite'))]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await ourChildren()).toHaveLength(1);
  });

  test('a good version right behind a bad one of the same new plugin is there to be called', async () => {
    const { supervisor } = await supervise();
    const both = await Promise.allSettled([supervisor.load(join(fixtures, 'health-fails')), supervisor.load(join(fixtures, 'polite'))]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(await whoOf(supervisor)).toMatchObject({ version: '1.0.0' });
  });

  test('a first version that does not start leaves nothing behind, not even its name', async () => {
    const { supervisor } = await supervise();
    expect(await rejection(supervisor.load(join(fixtures, 'health-fails')))).toMatchObject({ code: 'ERR_START_FAILED', phase: 'health' });
    expect(supervisor.status().plugins).toEqual([]);
    expect(await ourChildren()).toEqual([]);
  });

  test('takes options with it, which are the options of the plugin from then on', async () => {
    const { supervisor } = await supervise({ plugins: { polite: { options: { tone: 'grave' }, initArgs: [1] } } });
    await supervisor.load(join(fixtures, 'polite'), { options: { options: { tone: 'gay' } } });
    expect(await whoOf(supervisor)).toMatchObject({ options: { tone: 'gay' }, initArgs: [] });
    await supervisor.reload('polite');
    expect(await whoOf(supervisor)).toMatchObject({ options: { tone: 'gay' } });
    const error = await rejection<ConfigInvalidError>(supervisor.reload('polite', { options: { concurency: 1 } as object }));
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', issues: [{ path: 'options.concurency' }] });
  });

  test('finds the options that were given for a plugin before it was there', async () => {
    const { supervisor } = await supervise({ defaults: { initArgs: ['all'] }, plugins: { polite: { options: { tone: 'grave' } } } });
    await supervisor.load(join(fixtures, 'polite'));
    expect(await whoOf(supervisor)).toMatchObject({ options: { tone: 'grave' }, initArgs: ['all'] });
  });
});

describe('reconfigure', () => {
  test('replaces what changed, blue-green, and leaves the rest alone', async () => {
    const folder = await folderOf('1.0.0');
    await putFixture(folder, 'throws');
    const { supervisor } = await supervise({ pluginDir: folder });
    const [polite, throws] = [supervisor.status('polite').pid, supervisor.status('throws').pid];
    const running = supervisor.call('polite', 'sleep', [300]);
    expect(await supervisor.reconfigure({ pluginDir: folder, plugins: { polite: { options: { tone: 'gay' } } } })).toMatchObject({
      changed: ['polite'],
    });
    expect(await running).toBe(300);
    expect(supervisor.status('polite').pid).not.toBe(polite);
    expect(supervisor.status('throws').pid).toBe(throws);
    expect(await whoOf(supervisor)).toMatchObject({ options: { tone: 'gay' } });
    expect(await supervisor.reconfigure({ pluginDir: folder, plugins: { polite: { options: { tone: 'gay' } } } })).toMatchObject({ changed: [] });
  });

  test('follows the folder: a newer version takes over, a new plugin starts, one that is switched off leaves', async () => {
    const folder = await folderOf('1.0.0');
    const { supervisor } = await supervise({ pluginDir: folder });
    await putFixture(folder, 'polite', { version: '1.1.0' });
    await putFixture(folder, 'throws');
    const { changed } = await supervisor.reconfigure({ pluginDir: folder });
    expect(changed.toSorted()).toEqual(['polite', 'throws']);
    expect(supervisor.status('polite').version).toBe('1.1.0');
    await supervisor.reconfigure({ pluginDir: folder, plugins: { polite: { enabled: false } } });
    expect(supervisor.status().plugins.map(({ name }) => name)).toEqual(['throws']);
    expect(await supervisor.call('throws', 'ok')).toBe('ok');
  });

  test('with options that are not valid changes nothing', async () => {
    const folder = await folderOf('1.0.0');
    const { supervisor } = await supervise({ pluginDir: folder });
    const { pid } = supervisor.status('polite');
    const wrong = { pluginDir: folder, plugins: { polite: { concurrency: 0, options: { tone: 'gay' } } }, logLevel: 'loud' as 'info' };
    const error = await rejection<ConfigInvalidError>(supervisor.reconfigure(wrong));
    expect(error.issues.map(({ path }) => path).toSorted()).toEqual(['logLevel', 'plugins.polite.concurrency']);
    expect(supervisor.status('polite').pid).toBe(pid);
    await supervisor.reload('polite');
    expect(await whoOf(supervisor)).toMatchObject({ options: {} });
  });

  test('a version that does not come up leaves the old one serving', async () => {
    const folder = await folderOf('1.0.0');
    const { supervisor, events } = await supervise({ pluginDir: folder });
    const { pid } = supervisor.status('polite');
    await putFixture(folder, 'health-fails');
    await supervisor.reconfigure({ pluginDir: folder });
    expect(events.filter(({ kind }) => kind === 'reload-failed')).toHaveLength(1);
    expect(supervisor.status('polite')).toMatchObject({ pid, version: '1.0.0', state: 'active' });
  });

  test('a folder that is gone leaves what runs running, and says so', async () => {
    const folder = await folderOf('1.0.0');
    const { supervisor } = await supervise({ pluginDir: folder });
    await rm(folder, { recursive: true });
    await supervisor.reconfigure({ pluginDir: folder }).catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' }));
    expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
  });
});
