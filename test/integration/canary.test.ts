import { describe, expect, test } from 'vitest';
import type { ReloadFailedError } from '../../src/index.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { EARLY_MS } from '../helpers/timers.ts';
import { until } from '../helpers/until.ts';
import { beginVersions, Traffic } from '../helpers/versions.ts';

const supervise = useSupervisors();
const count = (answers: readonly unknown[], version: string): number => answers.filter((answer) => answer === version).length;

describe('a canary', () => {
  test('gives the new version its share of the calls, step by step, and then all of them', async () => {
    const versions = await beginVersions(supervise, { rollout: { canary: { maxP95Ratio: null } } });
    const { supervisor } = versions;
    const traffic = new Traffic(() => supervisor.call('versioned', 'who'));
    const steps = [
      { percent: 10, forMs: 500 },
      { percent: 60, forMs: 500 },
    ];
    const during = traffic.answers.length;
    const rollout = supervisor.load(await versions.put('2.0.0'), { rollout: { canary: { steps } } });
    await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'canary');
    const first = traffic.answers.length;
    await until('many calls were made', () => traffic.answers.length > first + 200);
    const early = traffic.answers.slice(first, first + 200);
    expect(count(early, '2.0.0')).toBeGreaterThan(10);
    expect(count(early, '2.0.0')).toBeLessThan(30);
    const result = await rollout;
    expect(result).toMatchObject({ outcome: 'promoted', to: '2.0.0' });
    expect(result.phases.map(({ name }) => name)).toEqual(['preparing', 'probing', 'canary']);
    expect(result.phases[2]!.ms).toBeGreaterThan(1_000 - EARLY_MS);
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
    expect(count(traffic.answers.slice(during), '1.0.0')).toBeGreaterThan(0);
    expect(await supervisor.call('versioned', 'who')).toBe('2.0.0');
  });

  test('lets calls of one key take the same way throughout, and a key that is in stays in', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    const steps = [
      { percent: 30, forMs: 600 },
      { percent: 70, forMs: 600 },
    ];
    const ways = new Map<string, string[]>();
    const traffic = new Traffic(async (n) => {
      const key = `tenant-${n % 40}`;
      const version = (await supervisor.call('versioned', 'who', [], { key })) as string;
      const way = ways.get(key) ?? [];
      if (way.at(-1) !== version) ways.set(key, [...way, version]);
    });
    await supervisor.load(await versions.put('2.0.0'), { rollout: { canary: { steps, maxP95Ratio: null } } });
    const switched = [...ways.values()].filter((way) => way.at(-1) === '2.0.0');
    await until('all have switched', () => [...ways.values()].every((way) => way.at(-1) === '2.0.0'));
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
    // Some had been in before all were; nobody went back.
    expect(switched.length).toBeGreaterThan(15);
    for (const way of ways.values()) expect(way.join(' ')).toBe('1.0.0 2.0.0');
  });

  test.each([
    ['fails', { turnsBadAt: 10 }, 'circuit-open'],
    ['dies', { diesAt: 10 }, 'crashed'],
    ['is slow', { slowMs: 500 }, 'slow'],
  ])('that %s ends the rollout, and idempotent calls have not noticed', async (_, behaviour, reason) => {
    const versions = await beginVersions(supervise, {}, { slowMs: 5 });
    const { supervisor } = versions;
    const { pid } = supervisor.status('versioned');
    const traffic = new Traffic(() => supervisor.call('versioned', 'who'), 20);
    // On a busy machine any version may be slow for a while.
    const canary = { percent: 30, forMs: 60_000, ...(reason !== 'slow' && { maxP95Ratio: null }) };
    const error = await rejection<ReloadFailedError>(supervisor.load(await versions.put('2.0.0', behaviour), { rollout: { canary } }));
    expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED', cause: { code: 'ERR_ROLLED_BACK', reason } });
    expect(error.result).toMatchObject({ outcome: 'rolled-back', reason, from: '1.0.0', to: '2.0.0' });
    expect(supervisor.status('versioned')).toMatchObject({ version: '1.0.0', pid });
    await until('nothing of it is left', () => supervisor.status('versioned').versions.length === 1);
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
  });

  test('has all calls when the old version gives up meanwhile', async () => {
    const versions = await beginVersions(supervise, { restart: { maxRestarts: 0 } });
    const { supervisor } = versions;
    const rollout = supervisor.load(await versions.put('2.0.0'), { rollout: { canary: { percent: 10, forMs: 2_000 } } });
    await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'canary');
    process.kill(supervisor.status('versioned').pid!, 'SIGKILL');
    await until('the old one gave up', () => supervisor.status('versioned').versions[0]!.state === 'failed');
    for (let i = 0; i < 20; i++) expect(await supervisor.call('versioned', 'who')).toBe('2.0.0');
    expect(await rollout).toMatchObject({ outcome: 'promoted' });
  });

  test('is ended by rollback(), at once, and whoever began it is told so', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    const { pid } = supervisor.status('versioned');
    const rollout = rejection<ReloadFailedError>(
      supervisor.load(await versions.put('2.0.0'), { rollout: { canary: { percent: 50, forMs: 60_000 } } }),
    );
    await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'canary');
    const result = await supervisor.rollback('versioned');
    expect(result).toMatchObject({ outcome: 'rolled-back', from: '1.0.0', to: '2.0.0', reason: 'operator' });
    expect((await rollout).result).toEqual(result);
    expect(supervisor.status('versioned')).toMatchObject({ version: '1.0.0', pid });
  });

  test('is given up when the supervisor is closed', async () => {
    const versions = await beginVersions(supervise);
    const rollout = rejection(versions.supervisor.load(await versions.put('2.0.0'), { rollout: { canary: { percent: 50, forMs: 60_000 } } }));
    await until('it is tried', () => versions.supervisor.status('versioned').rollout?.phase === 'canary');
    await versions.supervisor.close();
    expect(await rollout).toMatchObject({ code: 'ERR_SUPERVISOR_CLOSED' });
  });
});

describe('a shadow', () => {
  const shadow = { percent: 100, forMs: 3_000 };

  test('has copies of readonly calls, which nobody waits for or sees; answers that differ are counted and sampled', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    const dir = await versions.put('2.0.0', { differs: true, slowMs: 50 });
    const rollout = supervisor.load(dir, { rollout: { shadow, canary: { maxP95Ratio: null } } });
    await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'canary');
    for (let i = 0; i < 20; i++) {
      expect(await supervisor.call('versioned', 'peek', [i])).toBe(i);
      expect(await supervisor.call('versioned', 'once')).toBe('1.0.0');
    }
    const result = await rollout;
    expect(result.shadow).toMatchObject({ calls: 20, failed: 0, differing: 20 });
    expect(result.shadow!.samples[0]).toEqual({ method: 'peek', served: '0', shadowed: '{"2.0.0":0}' });
    expect(result.shadow!.samples).toHaveLength(5);
    // Only the copies of `peek` got there.
    expect(await supervisor.call('versioned', 'count')).toBe(0);
  });

  test('whose answers are the same is told so; with compare: false nobody looks', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    for (const [version, behaviour, compare] of [
      ['2.0.0', {}, true],
      ['3.0.0', { differs: true }, false],
    ] as const) {
      const rollout = supervisor.load(await versions.put(version, behaviour), { rollout: { shadow: { ...shadow, compare } } });
      await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'canary');
      await supervisor.call('versioned', 'peek', [{ a: [1] }]);
      expect((await rollout).shadow).toMatchObject({ calls: 1, differing: 0, failed: 0, samples: [] });
    }
  });

  test('whose copies fail is told so, and the version that serves has each call once', async () => {
    const { supervisor } = await supervise({ defaults: { retry: { attempts: 3 } } });
    const folder = await supervise.tempDir();
    const plugin = (version: string, body: string): Record<string, string> => ({
      'package.json': JSON.stringify({ name: 'reads', version, type: 'module', main: 'index.js' }),
      'index.js': `
        let count = 0;
        const readonly = (fn) => Object.defineProperty(fn, Symbol.for('chameleon-supervisor.method'), { value: { readonly: true } });
        export default { methods: { read: readonly(() => { count++; ${body} }), count: () => count } };`,
    });
    const deep = `let value = 1; for (let i = 0; i < 4000; i++) value = [value]; return value;`;
    await supervisor.load(await putFiles(`${folder}/1`, plugin('1.0.0', deep)));
    const two = await putFiles(`${folder}/2`, plugin('2.0.0', `if (count < 4) throw new Error('no'); ${deep}`));
    const rollout = supervisor.load(two, { rollout: { shadow: { ...shadow, forMs: 3_000 }, canary: { maxFailureRatio: null } } });
    await until('it is tried', () => supervisor.status('reads').rollout?.phase === 'canary');
    for (let i = 0; i < 5; i++) await supervisor.call('reads', 'read');
    expect(await supervisor.call('reads', 'count')).toBe(5);
    expect((await rollout).shadow).toMatchObject({ calls: 5, failed: 3, differing: 0 });
  });

  test('that dies of a copy is no version to switch to', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    const rollout = rejection<ReloadFailedError>(
      supervisor.load(await versions.put('2.0.0', { without: ['who'] }), { force: true, rollout: { shadow: { percent: 100 } } }),
    );
    await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'canary');
    const { pid } = supervisor.status('versioned').versions.find(({ role }) => role === 'candidate')!;
    process.kill(pid!, 'SIGKILL');
    expect((await rollout).result).toMatchObject({ outcome: 'failed', reason: 'crashed' });
    expect(await supervisor.call('versioned', 'who')).toBe('1.0.0');
  });
});
