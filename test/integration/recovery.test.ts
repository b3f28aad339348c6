/** Trouble that passes: what has failed is tried again by itself, and says so meanwhile. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSupervisor, type CallTimeoutError, type PluginOptions, type PluginUnavailableError } from '../../src/index.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
/** Without one, plugins that cannot start are process warnings. */
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const quick = { maxRestarts: 2, backoffMs: 1, maxBackoffMs: 200 };
const version = ({ supervisor }: Watched) => supervisor.status('upstream').versions[0]!;
const isFailed = (watched: Watched): boolean => version(watched).state === 'failed';

/** A supervisor that runs the fixture `upstream`, whose upstream is down when `down` says so, and the file that says it. */
async function withUpstream(plugin: PluginOptions, isDown = true): Promise<Watched & { down: string }> {
  const folder = await supervise.tempDir();
  const down = join(folder, 'down');
  if (isDown) await writeFile(down, '');
  const options: PluginOptions = { restart: quick, ...plugin, options: { down, ...plugin.options } };
  await putFixture(folder, 'upstream');
  const watched = await supervise({ defaults: options });
  await watched.supervisor.reconfigure({ defaults: options, pluginDir: folder });
  return { ...watched, down };
}

describe('a plugin whose init fails until its database is there', () => {
  test('is failed, says why and when it is tried again, and serves by itself once it is there', async () => {
    const watched = await withUpstream({ options: { atStart: 'throw' } });
    await until('its restarts are used up', () => isFailed(watched));
    const at = performance.now();
    const error = await rejection<PluginUnavailableError>(watched.supervisor.call('upstream', 'echo', [1]));
    expect(performance.now() - at).toBeLessThan(50);
    expect(error).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', state: 'failed', cause: { code: 'ERR_START_FAILED', phase: 'init' } });
    expect(error.message).toMatch(/ECONNREFUSED/);
    expect(watched.supervisor.status('upstream')).toMatchObject({ state: 'failed' });
    expect(version(watched).lastError).toMatchObject({ code: 'ERR_START_FAILED' });
    await until('its next start is due', () => version(watched).retryAfterMs !== null);
    expect(await rejection<PluginUnavailableError>(watched.supervisor.call('upstream', 'echo', [1]))).toMatchObject({ retryable: true });
    const starts = watched.events.filter(({ kind }) => kind === 'instance-start-failed').length;
    await until('it is tried again and again', () => watched.events.filter(({ kind }) => kind === 'instance-start-failed').length >= starts + 2);
    expect(watched.events.filter(({ kind }) => kind === 'plugin-failed')).toMatchObject([{ retryAfterMs: expect.any(Number) as number }]);
    await rm(watched.down);
    await until('it serves', () => version(watched).state === 'running');
    expect(await watched.supervisor.call('upstream', 'echo', [1])).toBe(1);
    expect(version(watched)).toMatchObject({ lastError: null, retryAfterMs: null });
  });

  test('stays failed with whenSpent: stop, until a reload', async () => {
    const watched = await withUpstream({ restart: { ...quick, whenSpent: 'stop' }, options: { atStart: 'throw' } });
    await until('its restarts are used up', () => isFailed(watched));
    await rm(watched.down);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(version(watched)).toMatchObject({ state: 'failed', retryAfterMs: null });
    expect(await rejection<PluginUnavailableError>(watched.supervisor.call('upstream', 'echo'))).toMatchObject({ retryable: false });
    await watched.supervisor.reload('upstream');
    expect(await watched.supervisor.call('upstream', 'echo', [1])).toBe(1);
  });

  test('is tried again with every one of its children', async () => {
    const watched = await withUpstream({ instances: 2, options: { atStart: 'throw' } });
    await until('its restarts are used up', () => isFailed(watched));
    await rm(watched.down);
    const ready = () => version(watched).instances.filter(({ state }) => state === 'ready').length;
    await until('both serve', () => ready() === 2);
    expect(await watched.supervisor.call('upstream', 'echo', [1])).toBe(1);
  });
});

describe('a plugin whose init never ends', () => {
  test('is failed after as many failed starts in a row, however long each takes', async () => {
    const watched = await withUpstream({
      startTimeoutMs: 700,
      restart: { ...quick, periodMs: 1_000 },
      options: { atStart: 'hang' },
    });
    const early = await rejection<CallTimeoutError>(watched.supervisor.call('upstream', 'echo', [1], { timeoutMs: 100 }));
    expect(early).toMatchObject({ code: 'ERR_CALL_TIMEOUT', phase: 'queued' });
    expect(early.message).toMatch(/still starting; its last start failed: upstream@1\.0\.0 was not ready within 700 ms \(phase init\)/);
    expect(early.cause).toMatchObject({ code: 'ERR_START_TIMEOUT', phase: 'init' });
    expect(version(watched).lastError).toMatchObject({ code: 'ERR_START_TIMEOUT' });
    await until('its restarts are used up', () => isFailed(watched));
    expect(watched.events.filter(({ kind }) => kind === 'instance-start-failed')).toHaveLength(quick.maxRestarts + 1);
    const at = performance.now();
    expect(await rejection(watched.supervisor.call('upstream', 'echo', [1]))).toMatchObject({ cause: { code: 'ERR_START_TIMEOUT' } });
    expect(performance.now() - at).toBeLessThan(50);
  });
});

test('a call that waits for a plugin that starts is not told to raise concurrency', async () => {
  const folder = await supervise.tempDir();
  const down = join(folder, 'down');
  await writeFile(down, '');
  await putFixture(folder, 'upstream');
  const supervisor = supervise.own(await createSupervisor({ pluginDir: folder, defaults: { options: { down, atStart: 'hang' } }, waitFor: 'none' }));
  const error = await rejection<CallTimeoutError>(supervisor.call('upstream', 'echo', [1], { timeoutMs: 50 }));
  expect(error.message).toBe('upstream@1.0.0.echo was not answered within 50 ms (it waited for the plugin, which was still starting)');
  expect(supervisor.status('upstream').state).toBe('activating');
  await rm(down);
  await supervisor.whenStarted();
  expect(supervisor.status('upstream').state).toBe('active');
});

describe('a crash loop', () => {
  test('is tried again slowly, and its calls fail at once meanwhile', async () => {
    const folder = await supervise.tempDir();
    const fuse = join(folder, 'fuse');
    await writeFile(fuse, '');
    const watched = await supervise.fixture('crash-loop', { options: { fuse }, restart: { ...quick, maxBackoffMs: 300 } });
    const state = () => watched.supervisor.status('crash-loop').versions[0]!.state;
    await until('its restarts are used up', () => state() === 'failed');
    await rm(fuse);
    await until('it serves', () => state() === 'running');
    expect(await watched.supervisor.call('crash-loop', 'ping')).toBe('pong');
  });

  test('of a fault that cannot pass is not tried again', async () => {
    const watched = await supervise({ defaults: { restart: quick } });
    await rejection(watched.supervisor.load(join(fixtures, 'exit-125')));
    await until('it is given up', () => watched.supervisor.status().plugins[0]?.versions[0]?.state !== 'starting');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(watched.events.filter(({ kind }) => kind === 'instance-starting')).toHaveLength(1);
  });
});

describe('a version beside the active one that has failed', () => {
  test('says why to the first call that waits for it, and to those after it', async () => {
    const folder = await supervise.tempDir();
    const down = join(folder, 'down');
    await writeFile(down, '');
    for (const number of ['1.0.0', '2.0.0']) await putFixture(folder, 'upstream', { version: number });
    await writeFile(join(folder, 'upstream/2.0.0/index.js'), 'export default { methods: { echo: (value) => value } };');
    const watched = await supervise();
    const options: PluginOptions = { pin: ['^1'], restart: { ...quick, maxRestarts: 1 }, options: { down, atStart: 'throw' } };
    const supervisor = supervise.own(await createSupervisor({ logger, pluginDir: folder, defaults: options, waitFor: 'none' }));
    const calls = Array.from({ length: 3 }, () => rejection(supervisor.call('upstream@^1', 'echo', [1])));
    for (const error of await Promise.all(calls))
      expect(error).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', cause: { code: 'ERR_START_FAILED' } });
    expect(await rejection(supervisor.call('upstream@^1', 'echo', [1]))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', version: '1.0.0' });
    expect(await rejection(supervisor.call('upstream@^3', 'echo', [1]))).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND' });
    expect(await supervisor.call('upstream', 'echo', [1])).toBe(1);
    expect(watched.events).toEqual([]);
  });

  test('says why when it was refused', async () => {
    const folder = await supervise.tempDir();
    await putFixture(folder, 'upstream', { version: '1.0.0', engines: { node: '>=99' } });
    await putFixture(folder, 'upstream', { version: '2.0.0' });
    const supervisor = supervise.own(await createSupervisor({ logger, pluginDir: folder, defaults: { pin: ['^1'] } }));
    expect(await rejection(supervisor.call('upstream@^1', 'echo'))).toMatchObject({
      code: 'ERR_PLUGIN_UNAVAILABLE',
      version: '1.0.0',
      cause: { code: 'ERR_MANIFEST_INVALID' },
    });
    expect(supervisor.status().refused).toMatchObject([{ code: 'ERR_MANIFEST_INVALID' }]);
  });
});

test('a replacement that is late leaves no timer: what came up meanwhile is not replaced again', async () => {
  const watched = await withUpstream({ restart: { ...quick, maxBackoffMs: 400 }, maxCalls: 5, options: { atStart: 'throw' } }, false);
  const { supervisor } = watched;
  await writeFile(watched.down, '');
  for (let i = 0; i < 5; i++) await supervisor.call('upstream', 'echo', [i]);
  await until('no replacement came up', () => watched.events.some(({ kind }) => kind === 'instance-start-failed'));
  await rm(watched.down);
  const { pid } = version(watched);
  await rejection(supervisor.call('upstream', 'die'));
  await until('another one is there', () => ![pid, null].includes(version(watched).pid));
  const next = version(watched).pid;
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(version(watched).pid).toBe(next);
});
