/** Faults F30 and F31: a plugin's code that uses up memory, or will not be stopped. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { PluginCrashedError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { Ledger } from '../helpers/ledger.ts';
import { allGone } from '../helpers/processes.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const LOADS = ['idle', 'under load'] as const;
const MiB = 2 ** 20;

test.each(LOADS)('F30 a heap that is full is named as the cause, %s', async (load) => {
  const ledger = await Ledger.begin(supervise, 'dies', { execArgv: ['--max-old-space-size=24'] });
  const { supervisor } = ledger.watched;
  const check = await Invariants.begin(ledger.watched, load);
  void ledger.calls(3, 'once', 60_000);
  await until('3 are in the plugin', () => ledger.begun() === 3);
  const error = await rejection<PluginCrashedError>(supervisor.call('dies', 'fillHeap'));
  expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { cause: 'out-of-memory' } });
  expect(error.stderrTail).toMatch(/heap out of memory/i);
  await ledger.verify();
  await check.end({ faults: 1, stderr: /heap/ });
});

describe.each(LOADS)('F30 a leak outside the heap, %s', (load) => {
  const LIMIT = 300 * MiB;
  const options = { memoryLimitBytes: LIMIT, liveness: { intervalMs: 100 } };

  test('is killed at the limit, and the limit is named as the cause', async () => {
    const watched = await supervise.fixture('leaks', options);
    const { supervisor } = watched;
    const check = await Invariants.begin(watched, load);
    // It does not end before its time, so that it is killed also where it was seen on its way there and is being replaced.
    const grown = rejection(supervisor.call('leaks', 'growTo', [LIMIT + 20 * MiB, 60_000]));
    const [{ exit }] = await once(supervisor, 'instance-crashed');
    expect(exit).toMatchObject({ cause: 'memory-limit', signal: 'SIGKILL', detail: expect.stringContaining(`the limit is ${LIMIT}`) });
    expect(await grown).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { cause: 'memory-limit' } });
    await check.end({ faults: 1, stderr: /growing/ });
  });

  test('is replaced at 80 % of the limit, and no call fails', async () => {
    const watched = await supervise.fixture('leaks', options);
    const { supervisor } = watched;
    const check = await Invariants.begin(watched, load);
    const { pid } = supervisor.status('leaks');
    const results: Promise<unknown>[] = [supervisor.call('leaks', 'growTo', [LIMIT * 0.9, 0])];
    await until('it is replaced, with calls all the while', () => {
      results.push(supervisor.call('leaks', 'pid'));
      return supervisor.status('leaks').pid !== pid;
    });
    const pids = new Set(await Promise.all([...results, supervisor.call('leaks', 'pid')]));
    expect(pids).toEqual(new Set([pid, supervisor.status('leaks').pid]));
    const [replacing] = check.events('instance-replacing');
    expect(replacing).toMatchObject({ plugin: 'leaks', reason: 'memory-limit' });
    await check.end({ faults: 1, kinds: ['instance-replacing'] });
    expect(check.events('instance-crashed', 'instance-start-failed')).toEqual([]);
    expect(check.events('instance-stopped')).toHaveLength(1);
  });
});

describe('F31 a plugin that ignores SIGTERM, replaces process.exit and removes our listeners', () => {
  const STOP_MS = 1_000;

  test.each(LOADS)('is killed on the time of the ladder when it does not end its free(), %s', async (load) => {
    const watched = await supervise.fixture('ignores-sigterm', { stopTimeoutMs: STOP_MS, options: { polite: false } });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched, load);
    const pid = await supervisor.call('ignores-sigterm', 'pid');
    const at = performance.now();
    await supervisor.unload('ignores-sigterm');
    const tookMs = await allGone([pid as number], at, 1_000);
    // `free()` has 60 %, SIGTERM until 90 %; the kill and the sweep come after.
    expect(tookMs).toBeGreaterThan(0.9 * STOP_MS - 10);
    expect(tookMs).toBeLessThan(STOP_MS + 500);
    expect(check.events('free-failed')).toMatchObject([{ error: { code: 'ERR_FREE_FAILED' } }]);
    await check.end({ faults: 1, kinds: ['instance-stopped'], instances: { 'ignores-sigterm': 0 } });
    expect(check.events('instance-stopped')[0]!.exit).toMatchObject({ signal: 'SIGKILL', cause: 'stopped' });
  });

  test('ends at once all the same when its free() does', async () => {
    const watched = await supervise.fixture('ignores-sigterm', { stopTimeoutMs: STOP_MS, options: { polite: true } });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched);
    const at = performance.now();
    await supervisor.unload('ignores-sigterm');
    expect(performance.now() - at).toBeLessThan(0.6 * STOP_MS);
    await check.end({ faults: 1, kinds: ['instance-stopped'], instances: { 'ignores-sigterm': 0 } });
    expect(check.events('instance-stopped')[0]!.exit).toMatchObject({ code: 0, signal: null });
  });
});
