/** A child that nobody calls is stopped, and the next call starts one: nobody notices, but for the time that it takes. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { VersionMetrics, VersionStatus } from '../../src/index.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { beginVersions } from '../helpers/versions.ts';

const supervise = useSupervisors();
const soon = { idleTimeoutMs: 300 };

const version = ({ supervisor }: Watched, name: string, wanted?: string): VersionStatus =>
  supervisor.status(name).versions.find((each) => (wanted === undefined ? each.active : each.version === wanted))!;
const isIdle = async (watched: Watched, name: string): Promise<void> => {
  await until('it is idle, with no child', () => version(watched, name).state === 'idle' && version(watched, name).instances.length === 0);
};
const count = ({ events }: Watched, kind: string): number => events.filter((event) => event.kind === kind).length;
const metrics = ({ supervisor }: Watched, name: string): VersionMetrics => Object.values(supervisor.metrics(name).plugins[name]!)[0]!;

describe('after idleTimeoutMs without a call', () => {
  test('the child is stopped gracefully; its methods stay known, and one start serves all calls that come', async () => {
    const watched = await supervise.fixture('worker', soon);
    const { supervisor } = watched;
    const first = await supervisor.call('worker', 'pid');
    const methods = supervisor.methods('worker');
    await isIdle(watched, 'worker');
    expect(watched.events.find(({ kind }) => kind === 'instance-stopped')).toMatchObject({ exit: { pid: first, cause: 'stopped', code: 0 } });
    expect(supervisor.methods('worker')).toEqual(methods);
    expect(supervisor.status('worker')).toMatchObject({ state: 'active', version: '1.0.0', pid: null, restarts: 0 });
    expect(metrics(watched, 'worker')).toMatchObject({ wakes: 0, wakingMs: { max: 0 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => supervisor.call('worker', 'pid')));
    expect(new Set(answers).size).toBe(1);
    expect(answers).not.toContain(first);
    // The first one was ready once, too.
    expect(count(watched, 'instance-ready')).toBe(2);
    const { wakes, wakingMs } = metrics(watched, 'worker');
    expect(wakes).toBe(1);
    expect(wakingMs.p50).toBeGreaterThan(10);
    expect(count(watched, 'woken')).toBe(1);
  });

  test('and not before: calls that run, wait or go on coming keep it', async () => {
    const worker = await supervise.fixture('worker', { ...soon, concurrency: 1 });
    const long = worker.supervisor.call('worker', 'price', [700]).then(() => Promise.all([1, 2].map(() => worker.supervisor.call('worker', 'work'))));
    const own = version(worker, 'worker').pid;
    expect(await long).toEqual([own, own]);
    for (let i = 0; i < 10; i++) {
      await worker.supervisor.call('worker', 'price', [80]);
      expect(await worker.supervisor.call('worker', 'work')).toBe(own);
    }
    expect(count(worker, 'idle-stopped')).toBe(0);
    await isIdle(worker, 'worker');
  });

  test('all instances are stopped, and started again', async () => {
    const watched = await supervise.fixture('worker', { ...soon, instances: 3 });
    await isIdle(watched, 'worker');
    await Promise.all(Array.from({ length: 30 }, () => watched.supervisor.call('worker', 'work')));
    await until('all are back', () => version(watched, 'worker').instances.filter(({ state }) => state === 'ready').length === 3);
    expect(metrics(watched, 'worker').wakes).toBe(1);
  });

  test('a call of a method that there is not wakes nobody', async () => {
    const watched = await supervise.fixture('worker', soon);
    await isIdle(watched, 'worker');
    expect(await rejection(watched.supervisor.call('worker', 'nothing'))).toMatchObject({ code: 'ERR_METHOD_NOT_FOUND' });
    expect(version(watched, 'worker').state).toBe('idle');
  });
});

describe('a start that a call waits for', () => {
  test('follows the restart policy when it fails, and the call its deadline', async () => {
    const versions = await beginVersions(supervise, { ...soon, restart: { backoffMs: 10, maxBackoffMs: 100, maxRestarts: 1_000 } });
    const { supervisor, folder } = versions;
    await isIdle(versions, 'versioned');
    const behave = (behaviour: object): Promise<void> => writeFile(join(folder, 'versioned/1.0.0/behaviour.json'), JSON.stringify(behaviour));
    await behave({ initThrows: true });
    const patient = supervisor.call('versioned', 'who');
    const hasty = await rejection(supervisor.call('versioned', 'who', [], { timeoutMs: 200 }));
    expect(hasty).toMatchObject({ code: 'ERR_CALL_TIMEOUT', phase: 'queued' });
    await until('it has failed twice', () => count(versions, 'instance-start-failed') >= 2);
    await behave({});
    expect(await patient).toBe('1.0.0');
    expect(supervisor.status('versioned').restarts).toBeGreaterThanOrEqual(2);
  });

  test('fails its calls when it is given up', async () => {
    const versions = await beginVersions(supervise, { ...soon, restart: { maxRestarts: 0 } });
    await isIdle(versions, 'versioned');
    await writeFile(join(versions.folder, 'versioned/1.0.0/behaviour.json'), '{"initThrows":true}');
    expect(await rejection(versions.supervisor.call('versioned', 'who'))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE' });
    expect(version(versions, 'versioned').state).toBe('failed');
  });

  test('is given up by close(), which leaves nothing', async () => {
    const watched = await supervise.fixture('worker', soon);
    await isIdle(watched, 'worker');
    const call = rejection(watched.supervisor.call('worker', 'pid'));
    await watched.supervisor.close({ drainTimeoutMs: 0 });
    expect(await call).toMatchObject({ code: expect.stringMatching(/^ERR_(SUPERVISOR_CLOSED|PLUGIN_UNAVAILABLE)$/) });
    expect(await ourChildren()).toEqual([]);
  });
});

describe('a version that is idle', () => {
  test('is replaced, reloaded and held against the next one like any other', async () => {
    const versions = await beginVersions(supervise, { ...soon, rollout: { holdMs: 0 } });
    const { supervisor } = versions;
    await isIdle(versions, 'versioned');
    const narrower = await rejection(supervisor.load(await versions.put('2.0.0', { without: ['peek'] })));
    expect(narrower).toMatchObject({ code: 'ERR_RELOAD_FAILED', result: { reason: 'contract' } });
    expect(version(versions, 'versioned')).toMatchObject({ version: '1.0.0', state: 'idle' });
    await supervisor.load(await versions.put('3.0.0'));
    await isIdle(versions, 'versioned');
    await supervisor.reload('versioned');
    expect(await supervisor.call('versioned', 'who')).toBe('3.0.0');
  });

  test('and held is there to be gone back to', async () => {
    const versions = await beginVersions(supervise, { ...soon, rollout: { holdMs: 60_000 } });
    const { supervisor } = versions;
    await supervisor.load(await versions.put('2.0.0'));
    await until('both are idle', () => supervisor.status('versioned').versions.every(({ state }) => state === 'idle'));
    await until('no child is left', async () => (await ourChildren()).length === 0);
    await supervisor.rollback('versioned');
    expect(await supervisor.call('versioned', 'who')).toBe('1.0.0');
  });

  test('and asked for by its range is woken', async () => {
    const versions = await beginVersions(supervise, { ...soon, rollout: { holdMs: 60_000 } });
    const { supervisor } = versions;
    await supervisor.load(await versions.put('2.0.0'));
    await until('both are idle', () => supervisor.status('versioned').versions.every(({ state }) => state === 'idle'));
    expect(await supervisor.call('versioned@^1', 'who')).toBe('1.0.0');
    expect(await supervisor.call('versioned', 'who')).toBe('2.0.0');
  });

  test('has nothing to hand over, and calls that come meanwhile wait for the new one', async () => {
    const versions = await beginVersions(supervise, { ...soon, rollout: { strategy: 'exclusive', holdMs: 0 } });
    const { supervisor } = versions;
    await isIdle(versions, 'versioned');
    const bad = rejection(supervisor.load(await versions.put('2.0.0', { initThrows: true })));
    await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'probing');
    const meanwhile = supervisor.call('versioned', 'who');
    expect(await bad).toMatchObject({ code: 'ERR_RELOAD_FAILED' });
    expect(await meanwhile).toBe('1.0.0');
    await isIdle(versions, 'versioned');
    const good = supervisor.load(await versions.put('3.0.0'));
    await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'probing');
    expect(await supervisor.call('versioned', 'who')).toBe('3.0.0');
    await good;
  });
});

const MANY = 200;

test(`of ${MANY} plugins only those have a child that are called`, { timeout: 180_000 }, async () => {
  const pluginDir = await supervise.tempDir();
  const names = Array.from({ length: MANY }, (_, i) => `tiny-${i}`);
  await Promise.all(names.map((name) => putFixture(pluginDir, 'tiny', { name })));
  const watched = await supervise({ pluginDir, defaults: { idleTimeoutMs: 2_000, startTimeoutMs: 60_000 } });
  const { supervisor } = watched;
  expect(supervisor.status().plugins).toHaveLength(MANY);
  const childless = async (): Promise<void> => until('no child is left', async () => (await ourChildren()).length === 0, 60_000);
  await childless();
  expect(supervisor.status().plugins.every(({ methods }) => methods.includes('pid'))).toBe(true);
  const five = names.filter((_, i) => i % 40 === 7);
  const pids = await Promise.all(five.map((name) => supervisor.call(name, 'pid')));
  expect(new Set(await ourChildren())).toEqual(new Set(pids));
  await childless();
  const again = await Promise.all(five.map((name) => supervisor.call(name, 'pid')));
  expect(again).toHaveLength(5);
  await supervisor.close();
  expect(await ourChildren()).toEqual([]);
  expect(count(watched, 'instance-crashed') + count(watched, 'instance-start-failed') + count(watched, 'restart-scheduled')).toBe(0);
});
