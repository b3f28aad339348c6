/** Calls that take their plugin down are kept away from it, and from nothing else. */
import { describe, expect, test } from 'vitest';
import type { CallPoisonedError, PluginOptions } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const LOADS = ['idle', 'under load'] as const;
const patient: PluginOptions = { breaker: { enabled: false }, restart: { maxRestarts: 1_000, backoffMs: 1, maxBackoffMs: 1 } };

const culprit = (options: PluginOptions = {}): Promise<Watched> => supervise.fixture('culprit', { ...patient, ...options });

/** Lets this call be in flight at so many deaths. */
async function deaths({ supervisor }: Watched, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    expect(await rejection(supervisor.call('culprit', 'read', ['fatal']))).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { code: 7 } });
}

const poisoned = ({ supervisor }: Watched) => supervisor.status('culprit').versions[0]!.poisoned;

test.each(LOADS)('what was in flight at three deaths is refused at once, and the same method with other arguments goes on, %s', async (load) => {
  const watched = await culprit();
  const { supervisor } = watched;
  const check = await Invariants.begin(watched, load);
  await deaths(watched, 2);
  expect(poisoned(watched)).toEqual([]);
  await deaths(watched, 1);
  const { pid } = supervisor.status('culprit');
  const error = await rejection<CallPoisonedError>(supervisor.call('culprit', 'read', ['fatal']));
  expect(error).toMatchObject({ code: 'ERR_CALL_POISONED', plugin: 'culprit', version: '1.0.0', method: 'read', deaths: 3, retryable: true });
  expect(error.retryAfterMs).toBeGreaterThan(50_000);
  expect(error.retryAfterMs).toBeLessThanOrEqual(60_000);
  expect(await Promise.all(['a', 'b', 'fata'].map((word) => supervisor.call('culprit', 'read', [word])))).toEqual(['a', 'b', 'fata']);
  expect(await supervisor.call('culprit', 'read', ['fatal ', 1])).toBe('fatal ');
  expect(poisoned(watched)).toMatchObject([{ method: 'read', digest: error.digest, deaths: 3 }]);
  expect(check.events('call-poisoned')).toMatchObject([{ plugin: 'culprit', method: 'read', digest: error.digest, deaths: 3 }]);
  expect(supervisor.metrics('culprit').plugins['culprit']!['1.0.0']!.methods['read']!.failuresByCode).toEqual({
    ERR_PLUGIN_CRASHED: 3,
    ERR_CALL_POISONED: 1,
  });
  if (pid !== null) expect(supervisor.status('culprit').pid).toBe(pid);
  await check.end({ faults: 3 });
});

test('an idempotent call that is retried ends as poisonous within itself, and is not tried further', async () => {
  const watched = await culprit({ retry: { attempts: 10, backoffMs: 1, maxBackoffMs: 1, budgetRatio: 100 } });
  const check = await Invariants.begin(watched);
  expect(await rejection(watched.supervisor.call('culprit', 'retried', ['fatal']))).toMatchObject({ code: 'ERR_CALL_POISONED', deaths: 3 });
  await check.end({ faults: 3 });
});

test('calls that waited for the next child are refused as well once they are known to be poisonous', async () => {
  const watched = await culprit({ concurrency: 1 });
  const { supervisor } = watched;
  const check = await Invariants.begin(watched);
  const codes = await Promise.all(Array.from({ length: 20 }, async () => (await rejection(supervisor.call('culprit', 'read', ['fatal']))).code));
  expect(codes.filter((code) => code === 'ERR_PLUGIN_CRASHED')).toHaveLength(3);
  expect(codes.filter((code) => code === 'ERR_CALL_POISONED')).toHaveLength(17);
  expect(await supervisor.call('culprit', 'read', ['well'])).toBe('well');
  await check.end({ faults: 3 });
});

describe('it is let through again', () => {
  test('after clearPoisoned()', async () => {
    const watched = await culprit();
    await deaths(watched, 3);
    watched.supervisor.clearPoisoned('culprit');
    expect(poisoned(watched)).toEqual([]);
    await deaths(watched, 3);
    expect(await rejection(watched.supervisor.call('culprit', 'read', ['fatal']))).toMatchObject({ code: 'ERR_CALL_POISONED', deaths: 3 });
    expect(() => watched.supervisor.clearPoisoned('nobody')).toThrow(expect.objectContaining({ code: 'ERR_PLUGIN_NOT_FOUND' }) as Error);
  });

  test('when its time is over; one more death and it is refused again', async () => {
    const watched = await culprit({ poisonMs: 300 });
    await deaths(watched, 3);
    const refused = await rejection<CallPoisonedError>(watched.supervisor.call('culprit', 'read', ['fatal']));
    expect(refused.retryAfterMs).toBeLessThanOrEqual(300);
    await until('its time is over', () => poisoned(watched).length === 0);
    await deaths(watched, 1);
    expect(await rejection(watched.supervisor.call('culprit', 'read', ['fatal']))).toMatchObject({ code: 'ERR_CALL_POISONED', deaths: 4 });
  });

  test('after a reload, which may have brought the remedy', async () => {
    const watched = await culprit();
    await deaths(watched, 3);
    await watched.supervisor.reload('culprit');
    expect(poisoned(watched)).toEqual([]);
    await deaths(watched, 1);
  });
});

test('an innocent call that is in flight at every death, and succeeds in between, is never refused', async () => {
  const watched = await culprit();
  const { supervisor } = watched;
  const check = await Invariants.begin(watched);
  const ROUNDS = 8;
  const brief = (): Promise<unknown> => supervisor.call('culprit', 'read', ['brief', 30]);
  for (let round = 0; round < ROUNDS; round++) {
    const unlucky = rejection(brief());
    await rejection(supervisor.call('culprit', 'dieIn', [round % 3]));
    expect((await unlucky).code).toBe('ERR_PLUGIN_CRASHED');
    expect(await brief()).toBe('brief');
  }
  expect(poisoned(watched).filter(({ method }) => method === 'read')).toEqual([]);
  await check.end({ faults: ROUNDS });
});

test('poisonAfter 0 refuses nothing', async () => {
  const watched = await culprit({ poisonAfter: 0 });
  await deaths(watched, 5);
  expect(poisoned(watched)).toEqual([]);
});

test('a hang is held against the call that hung', async () => {
  const watched = await culprit({ poisonAfter: 2, liveness: { intervalMs: 50, timeoutMs: 300 } });
  for (let i = 0; i < 2; i++)
    expect(await rejection(watched.supervisor.call('culprit', 'spin'))).toMatchObject({
      code: 'ERR_PLUGIN_CRASHED',
      exit: { cause: 'unresponsive' },
    });
  expect(await rejection(watched.supervisor.call('culprit', 'spin'))).toMatchObject({ code: 'ERR_CALL_POISONED' });
  expect(await watched.supervisor.call('culprit', 'read', ['well'])).toBe('well');
});
