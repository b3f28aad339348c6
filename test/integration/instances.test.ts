/** Several children of one version: how they share its calls, and that each dies, starts and is replaced by itself. */
import { describe, expect, test } from 'vitest';
import type { PluginOptions } from '../../src/index.ts';
import { Ledger } from '../helpers/ledger.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { beginVersions, Traffic } from '../helpers/versions.ts';

const supervise = useSupervisors();
const four: PluginOptions = { instances: 4 };

const pids = ({ supervisor }: Watched, name = 'worker'): number[] =>
  supervisor.status(name).versions.flatMap(({ instances }) => instances.filter(({ state }) => state === 'ready').map(({ pid }) => pid!));
const counted = (answers: readonly unknown[]): Map<number, number> => {
  const counts = new Map<number, number>();
  for (const pid of answers as number[]) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  return counts;
};

describe('calls', () => {
  test.each([
    ['that compute', 'block', [5]],
    ['that wait', 'work', []],
  ])('%s are spread evenly over all children', async (_, method, args) => {
    const watched = await supervise.fixture('worker', { ...four, concurrency: 8 });
    const { supervisor } = watched;
    expect(pids(watched)).toHaveLength(4);
    const answers = await Promise.all(Array.from({ length: 200 }, () => supervisor.call('worker', method, args)));
    const counts = counted(answers);
    expect(new Set(counts.keys())).toEqual(new Set(pids(watched)));
    for (const count of counts.values()) expect(count).toBeGreaterThan(25);
  });

  test('one after the other go round', async () => {
    const { supervisor } = await supervise.fixture('worker', four);
    const answers: unknown[] = [];
    for (let i = 0; i < 40; i++) answers.push(await supervisor.call('worker', 'pid'));
    expect([...counted(answers).values()]).toEqual([10, 10, 10, 10]);
  });

  test('go past a child that is busy', async () => {
    const { supervisor } = await supervise.fixture('worker', { ...four, instances: 2 });
    let isBlocked = true;
    const blocked = supervisor.call('worker', 'block', [1_500]).finally(() => (isBlocked = false));
    const answers: unknown[] = [];
    for (let i = 0; i < 20; i++) answers.push(await supervisor.call('worker', 'pid'));
    expect(isBlocked).toBe(true);
    expect(answers).not.toContain(await blocked);
  });

  test('`concurrency` is that of the version, however many children it has', async () => {
    const { supervisor } = await supervise.fixture('worker', { ...four, concurrency: 3 });
    const calls = Array.from({ length: 60 }, () => supervisor.call('worker', 'work'));
    let most = 0;
    await until('they are done', async () => {
      const { inFlight, queued } = supervisor.status('worker');
      most = Math.max(most, inFlight);
      return inFlight + queued === 0;
    });
    await Promise.all(calls);
    expect(most).toBe(3);
  });
});

describe('calls with a key', () => {
  const where = async ({ supervisor }: Watched, keys: string[]): Promise<unknown[]> =>
    Promise.all(keys.map((key) => supervisor.call('worker', 'pid', [], { key })));
  const keys = Array.from({ length: 60 }, (_, i) => `tenant-${i}`);

  test('stick to their child; when it dies its own keys move, and they come back to its successor', async () => {
    const watched = await supervise.fixture('worker', { ...four, routing: 'key', restart: { maxRestarts: 0, maxBackoffMs: 3_000 } });
    const before = await where(watched, keys);
    expect(new Set(before).size).toBe(4);
    expect(await where(watched, keys)).toEqual(before);
    const dead = before[0] as number;
    process.kill(dead, 'SIGKILL');
    await until('its death is known', () => !pids(watched).includes(dead));
    const meanwhile = await where(watched, keys);
    for (const [i, pid] of before.entries()) if (pid !== dead) expect(meanwhile[i]).toBe(pid);
    await until('there are four again', () => pids(watched).length === 4);
    const successor = pids(watched).find((pid) => !before.includes(pid));
    expect(await where(watched, keys)).toEqual(before.map((pid) => (pid === dead ? successor : pid)));
  });

  test('go to the least busy child where that was not asked for', async () => {
    const watched = await supervise.fixture('worker', four);
    const answers: unknown[] = [];
    for (let i = 0; i < 8; i++) answers.push((await where(watched, ['one']))[0]);
    expect(new Set(answers).size).toBe(4);
  });
});

describe('the death of one', () => {
  test('under load costs its own calls in flight and no others; idempotent ones are made again', async () => {
    const ledger = await Ledger.begin(supervise, 'ledger', { ...four, concurrency: 16, retry: { attempts: 3, budgetRatio: 1 } });
    const { watched } = ledger;
    const [victim] = pids(watched, 'ledger');
    const all = [ledger.calls(60, 'once', 20), ledger.calls(60, 'again', 20)];
    await until('calls run', () => ledger.begun() >= 16);
    process.kill(victim!, 'SIGKILL');
    await Promise.all(all);
    const settled = await ledger.verify();
    const failed = settled.filter(({ error }) => error !== null);
    expect(failed.every(({ method, error }) => method === 'once' && error!.code === 'ERR_PLUGIN_CRASHED')).toBe(true);
    // A quarter of 16, and what was just being handed over.
    expect(failed.length).toBeLessThanOrEqual(8);
    expect(watched.events.filter(({ kind }) => kind === 'instance-crashed')).toHaveLength(1);
    await until('there are four again', () => pids(watched, 'ledger').length === 4);
    expect(watched.supervisor.status('ledger')).toMatchObject({ restarts: 1, breaker: { state: 'closed', failures: 1 } });
  });

  test('leaves the others serving, for as long as it has no successor', async () => {
    const watched = await supervise.fixture('worker', { ...four, restart: { maxRestarts: 0, maxBackoffMs: 60_000 } });
    const { supervisor } = watched;
    const [victim] = pids(watched);
    process.kill(victim!, 'SIGKILL');
    await until('its death is known', () => pids(watched).length === 3);
    const answers = await Promise.all(Array.from({ length: 30 }, () => supervisor.call('worker', 'work')));
    expect([...counted(answers).values()]).toEqual([10, 10, 10]);
    expect(supervisor.status('worker').versions[0]).toMatchObject({ state: 'running', lastExit: { pid: victim, signal: 'SIGKILL' } });
  });

  test('is not the end of the version when its restarts are used up; the death of all is', async () => {
    const watched = await supervise.fixture('worker', { ...four, instances: 2, restart: { maxRestarts: 0 } });
    const { supervisor } = watched;
    const [first, second] = pids(watched);
    process.kill(first!, 'SIGKILL');
    await until('its death is known', () => pids(watched).length === 1);
    expect(await supervisor.call('worker', 'pid')).toBe(second);
    process.kill(second!, 'SIGKILL');
    await until('it is given up', () => supervisor.status('worker').versions[0]!.state === 'failed');
    expect(await rejection(supervisor.call('worker', 'pid'))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE' });
    expect(watched.events.filter(({ kind }) => kind === 'plugin-failed')).toHaveLength(1);
    await supervisor.reload('worker');
    expect(pids(watched)).toHaveLength(2);
  });

  test('of all of them keeps calls waiting until one is back', async () => {
    const watched = await supervise.fixture('worker', four);
    for (const pid of pids(watched)) process.kill(pid, 'SIGKILL');
    await until('their deaths are known', () => watched.events.filter(({ kind }) => kind === 'instance-crashed').length === 4);
    expect(await watched.supervisor.call('worker', 'pid')).toBeTypeOf('number');
  });
});

describe('replacement', () => {
  test.each<[string, PluginOptions]>([
    ['maxCalls', { maxCalls: 20 }],
    ['maxAgeMs', { maxAgeMs: 500 }],
  ])('by %s is made child by child, without a failed call', async (_, options) => {
    const watched = await supervise.fixture('worker', { ...four, instances: 3, ...options });
    const first = new Set(pids(watched));
    const traffic = new Traffic(() => watched.supervisor.call('worker', 'pid'));
    await until('all are others', () => pids(watched).length === 3 && pids(watched).every((pid) => !first.has(pid)), 20_000);
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
  });

  test('rollouts, reloads and rollbacks have all of them, and calls go on', async () => {
    const versions = await beginVersions(supervise, { ...four, rollout: { holdMs: 60_000 } });
    const { supervisor } = versions;
    const ready = (version: string): number =>
      supervisor
        .status('versioned')
        .versions.find((each) => each.version === version)
        ?.instances.filter(({ state }) => state === 'ready').length ?? 0;
    const traffic = new Traffic(() => supervisor.call('versioned', 'once'));
    supervisor.once('plugin-activated', () => expect(ready('2.0.0')).toBe(4));
    await supervisor.load(await versions.put('2.0.0'));
    expect([ready('1.0.0'), ready('2.0.0')]).toEqual([4, 4]);
    await supervisor.rollback('versioned');
    await until('the new version is gone', async () => (await ourChildren()).length === 4);
    await supervisor.reload('versioned');
    await until('the old children are gone', async () => (await ourChildren()).length === 4);
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
    expect(supervisor.status('versioned')).toMatchObject({ version: '1.0.0', restarts: 0 });
    await supervisor.unload('versioned');
    expect(await ourChildren()).toEqual([]);
  });

  test('by a version of which one child does not start is given up, and nothing of it is left', async () => {
    const versions = await beginVersions(supervise, { ...four, instances: 2 });
    const before = pids(versions, 'versioned');
    const error = await rejection(versions.supervisor.load(await versions.put('2.0.0', { initThrows: true })));
    expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED' });
    expect(pids(versions, 'versioned')).toEqual(before);
    expect(new Set(await ourChildren())).toEqual(new Set(before));
    expect(await versions.supervisor.call('versioned', 'who')).toBe('1.0.0');
  });

  test('with the strategy exclusive hands over child by child, and refuses to have too few to hand over to', async () => {
    const versions = await beginVersions(supervise, { instances: 2, rollout: { strategy: 'exclusive', holdMs: 0 } });
    const { supervisor } = versions;
    for (let i = 0; i < 10; i++) await supervisor.call('versioned', 'once');
    const dir = await versions.put('2.0.0');
    const error = await rejection(supervisor.load(dir, { options: { instances: 1, rollout: { strategy: 'exclusive' } } }));
    expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED', result: { reason: 'quiesce-failed' } });
    expect(await supervisor.call('versioned', 'who')).toBe('1.0.0');
    await supervisor.load(dir);
    const states = [await supervisor.call('versioned', 'state'), await supervisor.call('versioned', 'state')] as { from: string }[];
    expect(states.map(({ from }) => from)).toEqual(['1.0.0', '1.0.0']);
  });
});

test('status and metrics are those of all of them', async () => {
  const watched = await supervise.fixture('worker', { ...four, liveness: { intervalMs: 100, timeoutMs: 3_000 } });
  const { supervisor } = watched;
  const version = () => supervisor.status('worker').versions[0]!;
  await until('all were weighed', () => version().instances.every(({ rssBytes, cpuMs }) => rssBytes !== null && cpuMs !== null));
  const { instances, rssBytes, pid } = version();
  const [first] = instances;
  expect(pid).toBe(first!.pid);
  expect(rssBytes).toBeGreaterThan(3 * first!.rssBytes!);
  expect(supervisor.metrics('worker').plugins.worker!['1.0.0']!.cpuMs).toBeGreaterThan(first!.cpuMs!);
});
