/** F37, F40: a plugin that never minds its cancel, and clocks that are moved. (F36 stands with the breaker.) */
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { CallTimeoutError, PluginOptions } from '../../src/index.ts';
import { linesOf } from '../helpers/lines.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { EARLY_MS } from '../helpers/timers.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

describe('every call times out and ignores its cancel', () => {
  /** The most that ran at once, in all children together, on the one monotonic clock that they and we share. */
  function peakOf(ledger: string, ends: { pid: number; at: bigint }[]): number {
    const begins = linesOf(ledger).map((line) => {
      const [what, pid, at] = line.split(' ');
      return { what: what!, pid: Number(pid), at: BigInt(at!) };
    });
    const story = [...begins, ...ends.map((end) => ({ what: 'ended', ...end }))].toSorted((a, b) => Number(a.at - b.at));
    const running: number[] = [];
    let peak = 0;
    for (const { what, pid } of story) {
      if (what === 'begun') running.push(pid);
      else if (what === 'done') running.splice(running.indexOf(pid), 1);
      else while (running.includes(pid)) running.splice(running.indexOf(pid), 1);
      peak = Math.max(peak, running.length);
    }
    return peak;
  }

  rounds(
    'F37 never more than concurrency run in the plugin, whose calls all time out and ignore their cancel, and its child is replaced',
    async ({ begin, random }) => {
      const concurrency = random.between(2, 6);
      const watched = await supervise.fixture('ignores-cancel', {
        concurrency,
        cancelGraceMs: 100,
        ignoredCancelRatio: 0,
        breaker: { enabled: false },
        restart: { maxRestarts: 100, backoffMs: 1, maxBackoffMs: 5 },
      });
      const { supervisor, events } = watched;
      const ledger = join(await supervise.tempDir(), 'ledger');
      const ends: { pid: number; at: bigint }[] = [];
      supervisor.on('instance-crashed', ({ exit }) => ends.push({ pid: exit.pid!, at: process.hrtime.bigint() }));
      const first = supervisor.status('ignores-cancel').pid;
      const check = await begin(watched);
      const began = performance.now();
      const timeouts = Array.from({ length: random.between(20, 60) }, () => random.between(300, 900));
      const calls = timeouts.map((timeoutMs) =>
        rejection<CallTimeoutError>(supervisor.call('ignores-cancel', 'work', [ledger, 60_000], { timeoutMs })),
      );
      // Some wait for a slot until their deadline, others begin in one of the children.
      const errors = await Promise.all(calls);
      expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_CALL_TIMEOUT']));
      expect(performance.now() - began).toBeLessThan(Math.max(...timeouts) + 250);
      // A call that began late in the last child taints that one as well.
      await until('every child that was tainted is replaced', () => {
        const { pid, inFlight } = supervisor.status('ignores-cancel');
        return pid !== null && pid !== first && inFlight === 0 && check.events('instance-replacing').length === ends.length;
      });
      await supervisor.call('ignores-cancel', 'pid');
      const faults = ends.length;
      expect(faults).toBeGreaterThan(0);
      expect(peakOf(ledger, ends)).toBe(concurrency);
      expect(events.flatMap((event) => (event.kind === 'instance-crashed' ? [event.exit.cause] : []))).toEqual(Array(faults).fill('cancel-ignored'));
      expect(events.filter(({ kind }) => kind === 'instance-replacing')).toHaveLength(faults);
      await check.end({ faults });
    },
  );

  test('a call that behaves may finish on the child that is being replaced', async () => {
    const { supervisor, events } = await supervise.fixture('ignores-cancel', { cancelGraceMs: 100, ignoredCancelRatio: 0 });
    const ledger = join(await supervise.tempDir(), 'ledger');
    const innocent = supervisor.call('ignores-cancel', 'work', [ledger, 1_500]);
    await rejection(supervisor.call('ignores-cancel', 'work', [ledger, 60_000], { timeoutMs: 500 }));
    await until('the child is being replaced', () => events.some(({ kind }) => kind === 'instance-replacing'));
    expect(await innocent).toBe(1_500);
    expect(await supervisor.call('ignores-cancel', 'pid')).toBeTypeOf('number');
  });
});

describe('the wall clock is moved', () => {
  const now = Date.now;
  const HOUR = 3_600_000;
  const YEAR = 365 * 24 * HOUR;
  afterEach(() => {
    Date.now = now;
  });
  const shift = (ms: number): void => {
    Date.now = () => now() + ms;
  };

  async function expectDeadlineOf(watched: Watched, timeoutMs: number): Promise<void> {
    const began = performance.now();
    expect(await rejection(watched.supervisor.call('polite', 'sleep', [60_000], { timeoutMs }))).toMatchObject({
      code: 'ERR_CALL_TIMEOUT',
      timeoutMs,
    });
    const tookMs = performance.now() - began;
    expect(tookMs).toBeGreaterThan(timeoutMs - EARLY_MS);
    expect(tookMs).toBeLessThan(timeoutMs + 250);
  }

  const DISTANCES = [HOUR, -HOUR, YEAR, -YEAR];
  rounds(
    'F40 of the wall clock, moved by an hour or a year, to or fro: deadlines, breaker and restarts go by the time that passes',
    async ({ begin, random }) => {
      const plugin: PluginOptions = {
        breaker: { maxFailures: 2, openMs: 400, halfOpenCalls: 1 },
        restart: { maxRestarts: 2, periodMs: 60_000, backoffMs: 1, maxBackoffMs: 5, whenSpent: 'stop' },
      };
      // Shorter deadlines would say nothing of the plugin.
      const watched = await supervise.fixture('polite', plugin, { plugins: { polite: { callTimeoutMs: 100 } } });
      const { supervisor } = watched;
      const check = await begin(watched);
      const [ms, ...others] = random.shuffled(DISTANCES) as [number, ...number[]];
      const running = supervisor.call('polite', 'sleep', [200], { timeoutMs: 5_000 });
      await expectDeadlineOf(watched, 100);
      shift(ms);
      // Also the plugin's own clock: its signal is kept by the monotonic one.
      await supervisor.call('polite', 'moveClock', [ms]);
      expect(await running).toBe(200);
      await expectDeadlineOf(watched, 150);
      expect(supervisor.breaker('polite')).toMatchObject({ state: 'open', failures: 2 });
      const { retryAfterMs } = supervisor.breaker('polite');
      expect(retryAfterMs).toBeLessThanOrEqual(400);
      expect(await rejection(supervisor.call('polite', 'echo', [1]))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
      shift(-ms);
      await until('the circuit may be probed', () => supervisor.breaker('polite').retryAfterMs === 0, 1_000);
      expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
      expect(supervisor.breaker('polite').state).toBe('closed');
      expect(supervisor.status().uptimeMs).toBeLessThan(60_000);
      // Two restarts within the period are allowed, whatever day it is; the third is one too many.
      supervisor.isolate('polite');
      supervisor.restore('polite');
      for (const moved of others) {
        shift(moved);
        const { pid } = supervisor.status('polite');
        process.kill(pid!, 'SIGKILL');
        await until('it is replaced or given up', () => {
          const { pid: next, versions } = supervisor.status('polite');
          return versions[0]!.state === 'failed' || (next !== null && next !== pid);
        });
      }
      expect(supervisor.status('polite').versions[0]).toMatchObject({ state: 'failed', restarts: 2 });
      Date.now = now;
      await check.end({ faults: 3, instances: { polite: 0 } });
    },
  );
});
