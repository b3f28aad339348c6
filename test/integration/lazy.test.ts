/** With `lazy` what the plugin folder holds is there to be called, and costs a child only once it is. */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PluginOptions, VersionStatus } from '../../src/index.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { putVersion } from '../helpers/versions.ts';

const supervise = useSupervisors();
const count = ({ events }: Watched, kind: string): number => events.filter((event) => event.kind === kind).length;
const stateOf = ({ supervisor }: Watched, name: string, version = '1.0.0'): VersionStatus['state'] | undefined =>
  supervisor.status(name).versions.find((each) => each.version === version)?.state;

interface Folder extends Watched {
  pluginDir: string;
}

/** A folder with these versions of the fixture `versioned`, and a `tiny`. */
async function lazily(versions: string[], options: PluginOptions = {}): Promise<Folder> {
  const pluginDir = await supervise.tempDir();
  await Promise.all(versions.map((version) => putVersion(pluginDir, version)));
  await putFixture(pluginDir, 'tiny', { name: 'tiny' });
  return { ...(await supervise({ pluginDir, defaults: { lazy: true, ...options } })), pluginDir };
}

describe('a lazy plugin', () => {
  test('is registered without a child, and one start serves all calls that come first', async () => {
    const watched = await lazily(['1.0.0']);
    const { supervisor } = watched;
    expect(supervisor.status().plugins.map(({ name, state }) => [name, state])).toEqual([
      ['tiny', 'active'],
      ['versioned', 'active'],
    ]);
    expect([stateOf(watched, 'versioned'), supervisor.methods('versioned')]).toEqual(['idle', []]);
    expect(count(watched, 'instance-starting')).toBe(0);
    const answers = await Promise.all(Array.from({ length: 20 }, () => supervisor.call('versioned', 'who')));
    expect(new Set(answers)).toEqual(new Set(['1.0.0']));
    expect(count(watched, 'instance-starting')).toBe(1);
    expect(watched.events).toContainEqual(expect.objectContaining({ kind: 'plugin-activated', plugin: 'versioned', from: null }));
    expect(supervisor.methods('versioned')).toContain('who');
    expect(Object.values(supervisor.metrics('versioned').plugins['versioned']!)[0]).toMatchObject({ wakes: 1 });
    expect(stateOf(watched, 'tiny')).toBe('idle');
    await supervisor.close();
    expect(await ourChildren()).toEqual([]);
  });

  test('goes back to sleep after idleTimeoutMs, with its methods known from then on', async () => {
    const watched = await lazily(['1.0.0'], { idleTimeoutMs: 200 });
    await watched.supervisor.call('versioned', 'who');
    await until('it is idle', async () => stateOf(watched, 'versioned') === 'idle' && (await ourChildren()).length === 0);
    expect(watched.supervisor.methods('versioned')).toContain('who');
    expect(await watched.supervisor.call('versioned', 'who')).toBe('1.0.0');
  });

  test('whose first start fails follows the restart policy, and fails the calls that wait when it is given up', async () => {
    const watched = await lazily([], { restart: { maxRestarts: 1, backoffMs: 10 } });
    await putVersion(watched.pluginDir, '1.0.0', { initThrows: true });
    expect(
      (await watched.supervisor.reconfigure({ pluginDir: watched.pluginDir, defaults: { lazy: true, restart: { maxRestarts: 1, backoffMs: 10 } } }))
        .failed,
    ).toEqual([]);
    expect(await rejection(watched.supervisor.call('versioned', 'who'))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE' });
    expect(stateOf(watched, 'versioned')).toBe('failed');
    expect(count(watched, 'instance-start-failed')).toBe(2);
  });

  test('knows no method to refuse before it was ready, and refuses it then', async () => {
    const watched = await lazily(['1.0.0']);
    expect(await rejection(watched.supervisor.call('versioned', 'nothing'))).toMatchObject({ code: 'ERR_METHOD_NOT_FOUND' });
    expect(stateOf(watched, 'versioned')).toBe('running');
  });

  test('has its pinned versions asleep, too: each wakes for its own calls', async () => {
    const watched = await lazily(['1.0.0', '2.0.0'], { pin: ['^1'] });
    expect([stateOf(watched, 'versioned'), stateOf(watched, 'versioned', '2.0.0')]).toEqual(['idle', 'idle']);
    expect(await watched.supervisor.call('versioned@^1', 'who')).toBe('1.0.0');
    expect([stateOf(watched, 'versioned'), stateOf(watched, 'versioned', '2.0.0')]).toEqual(['running', 'idle']);
  });

  test('is started when it is reloaded, or replaced: what is not called is tried all the same', async () => {
    const watched = await lazily(['1.0.0'], { rollout: { holdMs: 60_000 } });
    const { supervisor, pluginDir } = watched;
    const bad = await putVersion(pluginDir, '3.0.0', { initThrows: true });
    expect(await rejection(supervisor.load(bad))).toMatchObject({ code: 'ERR_RELOAD_FAILED' });
    expect(stateOf(watched, 'versioned')).toBe('idle');
    await supervisor.load(await putVersion(pluginDir, '2.0.0'));
    expect([stateOf(watched, 'versioned'), stateOf(watched, 'versioned', '2.0.0')]).toEqual(['idle', 'running']);
    await supervisor.rollback('versioned');
    expect(await supervisor.call('versioned', 'who')).toBe('1.0.0');
    await supervisor.reload('tiny');
    expect(stateOf(watched, 'tiny')).toBe('running');
  });

  test('hands nothing over to a version that takes its place exclusively', async () => {
    const watched = await lazily(['1.0.0'], { rollout: { strategy: 'exclusive', holdMs: 0 } });
    await watched.supervisor.load(await putVersion(watched.pluginDir, '2.0.0'));
    expect(await watched.supervisor.call('versioned', 'who')).toBe('2.0.0');
  });

  test('sleeps on when a version that was to take its place exclusively cannot start', async () => {
    const watched = await lazily(['1.0.0'], { rollout: { strategy: 'exclusive', holdMs: 0 } });
    const bad = await putVersion(watched.pluginDir, '2.0.0', { initThrows: true });
    expect(await rejection(watched.supervisor.load(bad))).toMatchObject({ code: 'ERR_RELOAD_FAILED' });
    // What was to be started before this has been by then.
    await watched.supervisor.reload('tiny');
    expect(stateOf(watched, 'versioned')).toBe('idle');
    const started = watched.events.filter((event) => event.kind === 'instance-starting' && event.plugin === 'versioned');
    expect(started).toEqual([expect.objectContaining({ version: '2.0.0' })]);
    expect(await watched.supervisor.call('versioned', 'who')).toBe('1.0.0');
  });

  test('that is held and woken by a call for its version is not the active one for that', async () => {
    const watched = await lazily(['1.0.0'], { rollout: { holdMs: 60_000 } });
    await watched.supervisor.load(await putVersion(watched.pluginDir, '2.0.0'));
    expect(await watched.supervisor.call('versioned@1.0.0', 'who')).toBe('1.0.0');
    expect(await watched.supervisor.call('versioned', 'who')).toBe('2.0.0');
    const activated = watched.events.filter(({ kind }) => kind === 'plugin-activated');
    expect(activated).toEqual([expect.objectContaining({ version: '2.0.0', from: '1.0.0' })]);
  });

  test('follows its package.json, though that changes while it sleeps, and sleeps on whatever else changes', async () => {
    const pluginDir = await supervise.tempDir();
    const dir = await putVersion(pluginDir, '1.0.0');
    await putFixture(pluginDir, 'tiny', { name: 'tiny' });
    const watched = await supervise({ pluginDir, watch: true, defaults: { lazy: true } });
    const file = join(dir, 'package.json');
    const manifest = JSON.parse(await readFile(file, 'utf8')) as object;
    await appendFile(join(pluginDir, 'tiny', '1.0.0', 'package.json'), '\n');
    await writeFile(join(dir, 'other.js'), "export default { methods: { who: () => 'other' } };");
    await writeFile(file, JSON.stringify({ ...manifest, type: 'module', main: 'other.js' }));
    await until('it was replaced', () => stateOf(watched, 'versioned') === 'running');
    expect(await watched.supervisor.call('versioned', 'who')).toBe('other');
    expect(stateOf(watched, 'tiny')).toBe('idle');
  });

  test('can be unloaded before it was ever called', async () => {
    const watched = await lazily(['1.0.0']);
    await watched.supervisor.unload('versioned');
    expect(watched.supervisor.status().plugins.map(({ name }) => name)).toEqual(['tiny']);
    expect(count(watched, 'instance-starting')).toBe(0);
  });
});
