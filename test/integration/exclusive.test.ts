import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ReloadFailedError } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { beginVersions, Traffic, type Behaviour, type Versions } from '../helpers/versions.ts';

const supervise = useSupervisors();

interface Locked extends Versions {
  lock: string;
  /** Of the process that has the lock. */
  owner(): number;
}

/** Version 1.0.0, which owns a lock that only one process can have. */
async function beginLocked(behaviour: Behaviour = {}, options: object = {}): Promise<Locked> {
  const lock = join(await supervise.tempDir(), 'lock');
  const versions = await beginVersions(supervise, { options: { lock }, rollout: { strategy: 'exclusive' }, ...options }, behaviour);
  return { ...versions, lock, owner: () => Number(readFileSync(lock, 'utf8')) };
}

describe('the strategy exclusive', () => {
  test('stops the old version before the new one starts with its state; calls wait, and the outage is measured', async () => {
    const locked = await beginLocked();
    const { supervisor } = locked;
    const traffic = new Traffic(() => supervisor.call('versioned', 'once'));
    await until('v1 has a past', () => traffic.answers.length > 20);
    const result = await supervisor.load(await locked.put('2.0.0'));
    expect(result).toMatchObject({ outcome: 'promoted', from: '1.0.0', to: '2.0.0' });
    expect(result.outageMs).toBeGreaterThan(0);
    expect(locked.owner()).toBe(supervisor.status('versioned').pid);
    expect(await supervisor.call('versioned', 'state')).toEqual({ count: expect.any(Number), from: '1.0.0' });
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
    // Every call of the old version came before every call of the new one.
    expect([...new Set(traffic.answers)]).toEqual(['1.0.0', '2.0.0']);
    expect(traffic.answers.lastIndexOf('1.0.0')).toBeLessThan(traffic.answers.indexOf('2.0.0') + 4);
  });

  test.each<[string, Behaviour, Behaviour]>([
    ['takes up its lock again', {}, {}],
    ['is started afresh with its state where it cannot', { resumes: false }, {}],
    ['goes on also when the new one hangs', {}, { initHangs: true }],
  ])('when the new version fails the old one %s', async (_, old, bad) => {
    const locked = await beginLocked(old, { startTimeoutMs: 1_500 });
    const { supervisor } = locked;
    const { pid } = supervisor.status('versioned');
    const traffic = new Traffic(() => supervisor.call('versioned', 'once'));
    const error = await rejection<ReloadFailedError>(supervisor.load(await locked.put('2.0.0', { initThrows: true, ...bad })));
    expect(error.result).toMatchObject({ outcome: 'failed', reason: 'start-failed' });
    expect(error.result.outageMs).toBeGreaterThan(0);
    expect(await supervisor.call('versioned', 'state')).toEqual({ count: expect.any(Number), from: '1.0.0' });
    expect(locked.owner()).toBe(supervisor.status('versioned').pid);
    if (old.resumes !== false) expect(locked.owner()).toBe(pid);
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
    expect(new Set(traffic.answers)).toEqual(new Set(['1.0.0']));
  });

  test('a version that hangs is taken back without waiting for its calls, which the held one makes where they may run again', async () => {
    const locked = await beginLocked({ slowMs: 5 });
    const { supervisor } = locked;
    const traffic = new Traffic(() => supervisor.call('versioned', 'who'), 30);
    await until('v1 has a past', () => traffic.answers.length > 200);
    await supervisor.load(await locked.put('2.0.0', { hangsAt: 50 }));
    await until('v1 is active', () => supervisor.status('versioned').version === '1.0.0');
    const at = performance.now();
    const before = traffic.answers.length;
    await until('v1 answers', () => traffic.answers.length > before + 30);
    // The drain timeout, which is 30 s, is for those that are well.
    expect(performance.now() - at).toBeLessThan(10_000);
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
  });

  test('an old version whose calls outlast the drain timeout is never asked, and finishes them', async () => {
    const locked = await beginLocked({ slowMs: 1_500 }, { drainTimeoutMs: 200 });
    const { supervisor } = locked;
    const { pid } = supervisor.status('versioned');
    const running = supervisor.call('versioned', 'once');
    const error = await rejection<ReloadFailedError>(supervisor.load(await locked.put('2.0.0')));
    expect(error.result).toMatchObject({ reason: 'quiesce-failed', detail: expect.stringContaining('took more than 200 ms') });
    expect(await running).toBe('1.0.0');
    expect(await supervisor.call('versioned', 'told')).toEqual([]);
    expect(supervisor.status('versioned')).toMatchObject({ version: '1.0.0', pid });
  });

  test('an old version that was asked and does not answer is replaced by a fresh child: nobody knows what it let go of', async () => {
    const locked = await beginLocked({ quiesceHangs: true }, { drainTimeoutMs: 200 });
    const { supervisor } = locked;
    const { pid } = supervisor.status('versioned');
    expect(await rejection(supervisor.load(await locked.put('2.0.0')))).toMatchObject({ result: { reason: 'quiesce-failed' } });
    expect(await supervisor.call('versioned', 'who')).toBe('1.0.0');
    expect(supervisor.status('versioned').pid).not.toBe(pid);
    expect(locked.owner()).toBe(supervisor.status('versioned').pid);
  });

  test('an old version that has failed has nothing to hand over, and is replaced', async () => {
    const locked = await beginLocked({}, { restart: { maxRestarts: 0 } });
    const { supervisor } = locked;
    process.kill(supervisor.status('versioned').pid!, 'SIGKILL');
    await until('it has failed', () => supervisor.status('versioned').versions[0]!.state === 'failed');
    expect(await supervisor.load(await locked.put('2.0.0'))).toMatchObject({ outcome: 'promoted', outageMs: 0 });
    expect(await supervisor.call('versioned', 'who')).toBe('2.0.0');
  });

  test('an old version that does not let go serves on, and the new one is never started', async () => {
    const locked = await beginLocked({ keeps: true });
    const { supervisor, events } = locked;
    const { pid } = supervisor.status('versioned');
    const error = await rejection<ReloadFailedError>(supervisor.load(await locked.put('2.0.0')));
    expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED', cause: { code: 'ERR_QUIESCE_FAILED' }, result: { reason: 'quiesce-failed' } });
    expect(await supervisor.call('versioned', 'who')).toBe('1.0.0');
    expect(supervisor.status('versioned').pid).toBe(pid);
    expect(events.filter(({ kind }) => kind === 'instance-starting')).toHaveLength(1);
  });

  test.each([
    ['an operator', async ({ supervisor }: Locked) => void (await supervisor.rollback('versioned'))],
    ['its death', async ({ supervisor }: Locked) => void process.kill(supervisor.status('versioned').pid!, 'SIGKILL')],
  ])('%s brings the held version back, and it has its lock again', async (_, end) => {
    const locked = await beginLocked();
    const { supervisor } = locked;
    const { pid } = supervisor.status('versioned');
    await supervisor.load(await locked.put('2.0.0'));
    await end(locked);
    await until('v1 is active', () => supervisor.status('versioned').version === '1.0.0');
    expect(await supervisor.call('versioned', 'who')).toBe('1.0.0');
    expect(supervisor.status('versioned').pid).toBe(pid);
    // What the dead one had locked was its own to unlock.
    expect(existsSync(locked.lock)).toBe(true);
  });
});
