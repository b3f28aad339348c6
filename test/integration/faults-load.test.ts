/** F37, F40: a plugin that never minds its cancel, and clocks that are moved. (F36 stands with the breaker.) */
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { CallTimeoutError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { linesOf } from '../helpers/lines.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

describe('F37: every call times out and ignores its cancel', () => {
  const CONCURRENCY = 4;

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

  test.each(['idle', 'under load'] as const)('never more than concurrency run in the plugin, and its child is replaced (%s)', async (load) => {
    const watched = await supervise.fixture('ignores-cancel', {
      concurrency: CONCURRENCY,
      cancelGraceMs: 100,
      breaker: { enabled: false },
      restart: { maxRestarts: 100, backoffMs: 1, maxBackoffMs: 5 },
    });
    const { supervisor, events } = watched;
    const ledger = join(await supervise.tempDir(), 'ledger');
    const ends: { pid: number; at: bigint }[] = [];
    supervisor.on('instance-crashed', ({ exit }) => ends.push({ pid: exit.pid!, at: process.hrtime.bigint() }));
    const first = supervisor.status('ignores-cancel').pid;
    const check = await Invariants.begin(watched, load);
    const began = performance.now();
    const calls = Array.from({ length: 40 }, () =>
      rejection<CallTimeoutError>(supervisor.call('ignores-cancel', 'work', [ledger, 60_000], { timeoutMs: 1_500 })),
    );
    // Some wait for a slot until their deadline, others begin in one of the children.
    const errors = await Promise.all(calls);
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_CALL_TIMEOUT']));
    expect(performance.now() - began).toBeLessThan(1_750);
    await until(
      'the child was replaced',
      () => supervisor.status('ignores-cancel').pid !== first && supervisor.status('ignores-cancel').pid !== null,
    );
    await supervisor.call('ignores-cancel', 'pid');
    const faults = ends.length;
    expect(faults).toBeGreaterThan(0);
    expect(peakOf(ledger, ends)).toBe(CONCURRENCY);
    expect(events.flatMap((event) => (event.kind === 'instance-crashed' ? [event.exit.cause] : []))).toEqual(Array(faults).fill('cancel-ignored'));
    expect(events.filter(({ kind }) => kind === 'instance-replacing')).toHaveLength(faults);
    await check.end({ faults });
  });

  test('a call that behaves may finish on the child that is being replaced', async () => {
    const { supervisor, events } = await supervise.fixture('ignores-cancel', { cancelGraceMs: 100, stopTimeoutMs: 5_000 });
    const ledger = join(await supervise.tempDir(), 'ledger');
    const innocent = supervisor.call('ignores-cancel', 'work', [ledger, 1_500]);
    await rejection(supervisor.call('ignores-cancel', 'work', [ledger, 60_000], { timeoutMs: 500 }));
    await until('the child is being replaced', () => events.some(({ kind }) => kind === 'instance-replacing'));
    expect(await innocent).toBe(1_500);
    expect(await supervisor.call('ignores-cancel', 'pid')).toBeTypeOf('number');
  });
});

describe('F40: the wall clock is moved', () => {
  const now = Date.now;
  const HOUR = 3_600_000;
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
    expect(tookMs).toBeGreaterThan(timeoutMs - 5);
    expect(tookMs).toBeLessThan(timeoutMs + 250);
  }

  test.each([
    ['an hour forward', HOUR],
    ['an hour back', -HOUR],
    ['a year forward', 365 * 24 * HOUR],
    ['a year back', -365 * 24 * HOUR],
  ])('%s: deadlines, breaker and restarts go by the time that passes', async (_what, ms) => {
    const watched = await supervise.fixture('polite', {
      breaker: { maxFailures: 2, openMs: 400, halfOpenCalls: 1 },
      restart: { maxRestarts: 2, periodMs: 60_000, backoffMs: 1, maxBackoffMs: 5 },
    });
    const { supervisor, events } = watched;
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
    for (const moved of [ms, 0, ms]) {
      shift(moved);
      const { pid } = supervisor.status('polite');
      process.kill(pid!, 'SIGKILL');
      await until('it is replaced or given up', () => {
        const { pid: next, versions } = supervisor.status('polite');
        return versions[0]!.state === 'failed' || (next !== null && next !== pid);
      });
    }
    expect(supervisor.status('polite').versions[0]).toMatchObject({ state: 'failed', restarts: 2 });
    expect(events.filter(({ kind }) => kind === 'instance-crashed')).toHaveLength(3);
  });
});
