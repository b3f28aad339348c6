import { describe, expect, test } from 'vitest';
import type { ReloadFailedError, RolloutResult } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { beginVersions, Traffic, type Behaviour, type Versions } from '../helpers/versions.ts';

const supervise = useSupervisors();
const who = ({ supervisor }: Versions): Promise<unknown> => supervisor.call('versioned', 'who');
const roles = ({ supervisor }: Versions): Record<string, string> =>
  Object.fromEntries(supervisor.status('versioned').versions.map(({ version, role }) => [version, role]));
const rolledBack = ({ events }: Versions): RolloutResult[] => events.flatMap((event) => (event.kind === 'rolled-back' ? [event.result] : []));

describe('the hold', () => {
  test('keeps the version that was replaced warm, and retires it when it is over', async () => {
    const versions = await beginVersions(supervise, { rollout: { holdMs: 600 } });
    const { pid } = versions.supervisor.status('versioned');
    const result = await versions.supervisor.load(await versions.put('2.0.0'));
    expect(result).toMatchObject({ outcome: 'promoted', from: '1.0.0', to: '2.0.0', reason: null, outageMs: 0, shadow: null });
    expect(roles(versions)).toEqual({ '2.0.0': 'active', '1.0.0': 'held' });
    expect(versions.supervisor.status('versioned').rollout).toEqual({ phase: 'holding', from: '1.0.0', to: '2.0.0' });
    expect(versions.supervisor.status('versioned').versions.find(({ role }) => role === 'held')).toMatchObject({ pid, state: 'running' });
    expect(await who(versions)).toBe('2.0.0');
    await until('the old version is gone', () => Object.keys(roles(versions)).length === 1);
    expect(versions.supervisor.status('versioned').rollout).toBeNull();
    const phases = versions.events.flatMap((event) => (event.kind === 'rollout-phase' && event.from !== null ? [event.phase] : []));
    expect(phases).toEqual(['preparing', 'probing', 'promoted', 'holding', 'retired']);
  });

  test('makes rollback() instant: the same process has the calls again', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    const { pid } = supervisor.status('versioned');
    await supervisor.load(await versions.put('2.0.0'));
    expect(await supervisor.rollback('versioned')).toMatchObject({ outcome: 'promoted', from: '2.0.0', to: '1.0.0' });
    expect(supervisor.status('versioned')).toMatchObject({ version: '1.0.0', pid });
    expect(await who(versions)).toBe('1.0.0');
    expect(rolledBack(versions)).toMatchObject([{ outcome: 'rolled-back', from: '1.0.0', to: '2.0.0', reason: 'operator' }]);
    await until('the new version is gone', () => Object.keys(roles(versions)).length === 1);
    expect((await supervisor.rollback('versioned')).to).toBe('2.0.0');
  });

  test('is ended by the next rollout: active, held and candidate are the most that live at once', async () => {
    const versions = await beginVersions(supervise);
    let most = 0;
    versions.supervisor.on('event', () => {
      const living = versions.supervisor.status('versioned').versions.filter(({ role }) => role !== 'leaving');
      most = Math.max(most, living.length);
    });
    for (const version of ['2.0.0', '3.0.0', '4.0.0']) await versions.supervisor.load(await versions.put(version));
    expect(most).toBeLessThanOrEqual(3);
    await until('two are left', () => Object.keys(roles(versions)).length === 2);
    expect(roles(versions)).toEqual({ '4.0.0': 'active', '3.0.0': 'held' });
  });

  test('survives a rollout that could not even begin', async () => {
    const versions = await beginVersions(supervise);
    await versions.supervisor.load(await versions.put('2.0.0'));
    await rejection(versions.supervisor.load(`${versions.folder}/nowhere`));
    expect(roles(versions)).toEqual({ '2.0.0': 'active', '1.0.0': 'held' });
  });

  test('is not begun by a reload of the same version, unless it is asked for', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    await supervisor.reload('versioned');
    expect(supervisor.status('versioned').rollout).toBeNull();
    await supervisor.reload('versioned', { rollout: { holdMs: 60_000 } });
    expect(supervisor.status('versioned').rollout).toMatchObject({ phase: 'holding' });
  });

  test('gives a range that only the held version fits its calls, and unload gives them back to it', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    await supervisor.load(await versions.put('2.0.0'));
    expect(await supervisor.call('versioned@^1', 'who')).toBe('1.0.0');
    await supervisor.unload('versioned', { version: '2.0.0' });
    expect(await who(versions)).toBe('1.0.0');
    await supervisor.load(await versions.put('3.0.0'));
    await supervisor.unload('versioned', { version: '1.0.0' });
    await until('one is left', () => Object.keys(roles(versions)).length === 1);
    expect(await who(versions)).toBe('3.0.0');
  });
});

/** Kinds of bad versions, the reason that is told, and what the host must have set for it to be noticed. */
/** On a busy machine any version may be slow for a while. */
const NEVER_SLOW = { rollout: { canary: { maxP95Ratio: null } } };
const BAD: [string, Behaviour, RolloutResult['reason'], object][] = [
  ['turns bad at its 50th call', { turnsBadAt: 50 }, 'circuit-open', NEVER_SLOW],
  ['turns bad at its 50th call, with the circuit breaker off', { turnsBadAt: 50 }, 'failure-ratio', { ...NEVER_SLOW, breaker: { enabled: false } }],
  ['dies at its 50th call', { diesAt: 50 }, 'crashed', NEVER_SLOW],
  ['is many times slower', { slowMs: 500 }, 'slow', {}],
  ['hangs from its 50th call on', { hangsAt: 50 }, 'slow', { drainTimeoutMs: 300 }],
  ['leaks', { leakBytes: 8 * 2 ** 20 }, 'memory-limit', { ...NEVER_SLOW, memoryLimitBytes: 250 * 2 ** 20, liveness: { intervalMs: 50 } }],
];

describe('a new version that is bad', () => {
  test.each(BAD)('and %s is taken back by itself, and no idempotent call fails', async (_, behaviour, reason, options) => {
    const versions = await beginVersions(supervise, { callTimeoutMs: 10_000, ...options }, { slowMs: 5 });
    const { pid } = versions.supervisor.status('versioned');
    const traffic = new Traffic(() => who(versions), 30);
    await until('v1 has a past', () => traffic.answers.length > 200);
    const result = await versions.supervisor.load(await versions.put('2.0.0', behaviour));
    expect(result.outcome).toBe('promoted');
    await until('it was taken back', () => rolledBack(versions).length > 0, 15_000);
    expect(rolledBack(versions)[0]).toMatchObject({ outcome: 'rolled-back', from: '1.0.0', to: '2.0.0', reason, detail: expect.any(String) });
    expect(versions.supervisor.status('versioned')).toMatchObject({ version: '1.0.0', pid });
    const before = traffic.answers.length;
    await until('v1 goes on', () => traffic.answers.length > before + 50);
    await until('the bad version is gone', () => Object.keys(roles(versions)).length === 1);
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
    expect(new Set(traffic.answers)).toEqual(new Set(['1.0.0', '2.0.0'].filter((version) => traffic.answers.includes(version))));
    // What was taken back for cause is nothing to go back to.
    expect(await rejection(versions.supervisor.rollback('versioned'))).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND' });
    if (reason === 'crashed') expect(rolledBack(versions)[0]!.stderrTail).toContain('last words of a bad version');
  });

  test.each<[string, Behaviour, string]>([
    ['throws on import', { throwOnImport: true }, 'ERR_START_FAILED'],
    ['throws in init', { initThrows: true }, 'ERR_START_FAILED'],
    ['is not healthy', { ill: true }, 'ERR_START_FAILED'],
    ['hangs', { initHangs: true }, 'ERR_START_TIMEOUT'],
    ['lacks a method', { without: ['who'] }, 'ERR_CONTRACT'],
  ])('and %s never has a call: v1 serves throughout', async (_, behaviour, code) => {
    const versions = await beginVersions(supervise, { startTimeoutMs: 2_000 });
    const { pid } = versions.supervisor.status('versioned');
    const traffic = new Traffic(() => who(versions));
    const error = await rejection<ReloadFailedError>(versions.supervisor.load(await versions.put('2.0.0', behaviour)));
    await traffic.stop();
    expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED', from: '1.0.0', to: '2.0.0', cause: { code } });
    expect(error.result).toMatchObject({
      outcome: 'failed',
      from: '1.0.0',
      to: '2.0.0',
      reason: code === 'ERR_CONTRACT' ? 'contract' : 'start-failed',
    });
    expect(error.result.phases.map(({ name }) => name)).toEqual(['preparing', 'probing']);
    expect(traffic.errors).toEqual([]);
    expect(new Set(traffic.answers)).toEqual(new Set(['1.0.0']));
    expect(versions.supervisor.status('versioned')).toMatchObject({ version: '1.0.0', pid, rollout: null });
    expect(versions.supervisor.status('versioned').versions).toHaveLength(1);
    expect(versions.events.filter(({ kind }) => kind === 'plugin-failed')).toEqual([]);
  });
});

describe('the contract', () => {
  const takes = (...types: string[]): Behaviour => ({
    declares: { put: { params: { type: 'array', prefixItems: types.map((type) => ({ type })) } } },
  });

  test('a version that takes less than the one before is refused with a list, unless it is forced', async () => {
    const versions = await beginVersions(supervise, {}, takes('string'));
    const dir = await versions.put('2.0.0', { ...takes('number'), without: ['once'] });
    const error = await rejection<ReloadFailedError>(versions.supervisor.load(dir));
    expect(error.cause).toMatchObject({ code: 'ERR_CONTRACT', changes: ['once is gone', 'put: params[0] no longer takes string'] });
    expect(error.result).toMatchObject({ reason: 'contract' });
    expect((await versions.supervisor.load(dir, { force: true })).outcome).toBe('promoted');
  });

  test('a version that takes more is welcome', async () => {
    const versions = await beginVersions(supervise, {}, { ...takes('integer'), without: ['once'] });
    expect((await versions.supervisor.load(await versions.put('2.0.0', takes('number')))).outcome).toBe('promoted');
  });
});

describe('two rollouts at once', () => {
  test('the later waits for the earlier', async () => {
    const versions = await beginVersions(supervise);
    const results = await Promise.all([versions.supervisor.load(await versions.put('2.0.0')), versions.supervisor.load(await versions.put('3.0.0'))]);
    expect(results.map(({ from, to }) => `${from} ${to}`)).toEqual(['1.0.0 2.0.0', '2.0.0 3.0.0']);
  });

  test('or, with supersede, takes the place of the earlier ones, which are told so', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    const earlier = rejection<ReloadFailedError>(supervisor.load(await versions.put('2.0.0', { initHangs: true })));
    const waiting = rejection(supervisor.load(await versions.put('3.0.0')));
    await until('the first is on its way', () => Object.values(roles(versions)).includes('candidate'));
    const result = await supervisor.load(await versions.put('4.0.0'), { supersede: true });
    expect(result).toMatchObject({ outcome: 'promoted', from: '1.0.0', to: '4.0.0' });
    expect(await earlier).toMatchObject({ code: 'ERR_RELOAD_FAILED', cause: { code: 'ERR_ROLLOUT_SUPERSEDED' }, result: { reason: 'superseded' } });
    expect(await waiting).toMatchObject({ code: 'ERR_ROLLOUT_SUPERSEDED' });
  });
});
