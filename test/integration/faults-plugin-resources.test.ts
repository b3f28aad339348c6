/** Faults F30 and F31: a plugin's code that uses up memory, or will not be stopped. */
import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { PluginCrashedError } from '../../src/index.ts';
import { Ledger } from '../helpers/ledger.ts';
import { allGone } from '../helpers/processes.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { EARLY_MS } from '../helpers/timers.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const MiB = 2 ** 20;

rounds('F30 a heap that is full is named as the cause', async ({ begin, random }) => {
  const ledger = await Ledger.begin(supervise, 'dies', { execArgv: [`--max-old-space-size=${random.between(20, 32)}`] }, random.stream());
  const { supervisor } = ledger.watched;
  const check = await begin(ledger);
  const others = random.between(1, 6);
  void ledger.calls(others, 'once', 60_000);
  await until('they are in the plugin', () => ledger.begun() === others);
  const error = await rejection<PluginCrashedError>(supervisor.call('dies', 'fillHeap'));
  expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { cause: 'out-of-memory' } });
  expect(error.stderrTail).toMatch(/heap out of memory/i);
  await check.end({ faults: 1, stderr: /heap/ });
});

const LIMIT = 200 * MiB;
const leaking = { memoryLimitBytes: LIMIT, liveness: { intervalMs: 100 } };

rounds('F30 a leak outside the heap is killed at the limit, and the limit is named as the cause', async ({ begin, random }) => {
  const watched = await supervise.fixture('leaks', leaking);
  const { supervisor } = watched;
  const check = await begin(watched);
  // It does not end before its time, so that it is killed also where it was seen on its way there and is being replaced.
  const grown = rejection(supervisor.call('leaks', 'growTo', [LIMIT + random.between(20, 60) * MiB, 60_000]));
  const [{ exit }] = await once(supervisor, 'instance-crashed');
  expect(exit).toMatchObject({ cause: 'memory-limit', signal: 'SIGKILL', detail: expect.stringContaining(`the limit is ${LIMIT}`) });
  expect(await grown).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { cause: 'memory-limit' } });
  await check.end({ faults: 1, stderr: /growing/ });
});

rounds('F30 a leak outside the heap is replaced at 80 % of the limit, and no call fails', async ({ begin, random }) => {
  const watched = await supervise.fixture('leaks', leaking);
  const { supervisor } = watched;
  const check = await begin(watched);
  const { pid } = supervisor.status('leaks');
  const results: Promise<unknown>[] = [supervisor.call('leaks', 'growTo', [LIMIT * (0.84 + random.below(8) / 100), 0])];
  const traffic = random.stream();
  await until('it is replaced, with calls all the while', () => {
    for (let i = traffic.below(4); i >= 0; i--) results.push(supervisor.call('leaks', 'pid'));
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

rounds(
  'F31 a plugin that ignores SIGTERM, replaces process.exit and removes our listeners is killed on the time of the ladder when it does not end its free(), and ends at once when it does',
  async ({ begin, random }) => {
    const watched = await supervise();
    const { supervisor } = watched;
    const check = await begin(watched);
    for (const polite of random.shuffled([true, false])) {
      const stopTimeoutMs = random.between(500, 1_000);
      await supervisor.load(join(fixtures, 'ignores-sigterm'), { options: { stopTimeoutMs, options: { polite } } });
      const pid = (await supervisor.call('ignores-sigterm', 'pid')) as number;
      await random.moment(0, 50);
      const at = performance.now();
      await supervisor.unload('ignores-sigterm');
      const tookMs = await allGone([pid], at, 1_000);
      // `free()` has 60 %, SIGTERM until 90 %; the kill and the sweep come after.
      if (!polite) expect(tookMs).toBeGreaterThan(0.9 * stopTimeoutMs - EARLY_MS);
      expect(tookMs).toBeLessThan(polite ? 0.6 * stopTimeoutMs : stopTimeoutMs + 500);
      const stopped = check.events('instance-stopped').find(({ exit }) => exit.pid === pid);
      expect(stopped!.exit).toMatchObject(polite ? { code: 0, signal: null } : { signal: 'SIGKILL', cause: 'stopped' });
    }
    expect(check.events('free-failed')).toMatchObject([{ error: { code: 'ERR_FREE_FAILED' } }]);
    await check.end({ faults: 2, kinds: ['instance-stopped'] });
  },
);
