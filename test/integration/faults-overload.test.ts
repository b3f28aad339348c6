/**
 * Faults F33 to F35: more calls than can be served, a plugin that turns slow, and one that fails half of the time.
 *
 * The times are a tenth of those in the table of faults, and the shares are asserted loosely: on a machine that does other things
 * as well they would fail for reasons that are not ours. What they are when nothing else runs, the benchmarks and the soak measure.
 */
import { expect } from 'vitest';
import { RESERVE } from '../../src/resilience/retry.ts';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const MiB = 2 ** 20;
/** 8 slots of 10 ms: 800 a second at the very best. */
const CONCURRENCY = 8;
const TICK_MS = 5;

interface Tally {
  succeeded: number;
  refused: number;
  late: number;
  other: unknown[];
  refusedMs: number[];
}

/** Calls in an open loop: so many a second for so long, whatever becomes of them. Resolves when all are settled. */
async function openLoop({ supervisor }: Watched, perSecond: number, ms: number, timeoutMs: number): Promise<Tally> {
  const tally: Tally = { succeeded: 0, refused: 0, late: 0, other: [], refusedMs: [] };
  const one = async (): Promise<void> => {
    const at = performance.now();
    try {
      await supervisor.call('worker', 'work', [], { timeoutMs });
      tally.succeeded++;
    } catch (error) {
      const { code } = error as { code: string };
      if (code === 'ERR_QUEUE_FULL') {
        tally.refused++;
        tally.refusedMs.push(performance.now() - at);
      } else if (code === 'ERR_CALL_TIMEOUT') tally.late++;
      else tally.other.push(error);
    }
  };
  const calls: Promise<void>[] = [];
  const begun = performance.now();
  for (let now = begun; now - begun < ms; now = performance.now()) {
    const due = ((now - begun) * perSecond) / 1_000;
    while (calls.length < due) calls.push(one());
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(calls);
  return tally;
}

/** What it can do: as many callers as there are slots, each calling again when it is answered. In calls a second. */
async function capacity({ supervisor }: Watched, ms: number): Promise<number> {
  let done = 0;
  const until = performance.now() + ms;
  const caller = async (): Promise<void> => {
    for (; performance.now() < until; done++) await supervisor.call('worker', 'work');
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, caller));
  return (done * 1_000) / ms;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const options = { concurrency: CONCURRENCY, maxQueue: 100, breaker: { enabled: false } };

rounds(
  'F33 at ten times its capacity it goes on doing most of what it can, refuses the rest at once, and needs no more memory',
  async ({ begin, random }) => {
    const SECONDS = 3;
    const watched = await supervise.fixture('worker', options);
    const check = await begin(watched);
    const peak = await capacity(watched, 500);
    const rate = () => (10 * peak * random.between(80, 120)) / 100;
    // The first second brings the heap to its size.
    await openLoop(watched, rate(), 1_000, 1_000);
    const before = process.memoryUsage().rss;
    const tally = await openLoop(watched, rate(), SECONDS * 1_000, 1_000);
    expect(tally.other).toEqual([]);
    // Other tests have the second core, so this tells a collapse from a share; the share itself is for a quiet machine to measure.
    expect(tally.succeeded / SECONDS).toBeGreaterThan(0.25 * peak);
    expect(tally.refused).toBeGreaterThan(tally.succeeded);
    expect(median(tally.refusedMs)).toBeLessThan(5);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MiB);
    expect(watched.supervisor.status('worker')).toMatchObject({ inFlight: 0, queued: 0 });
    await check.end({ faults: 0 });
  },
);

rounds('F34 a plugin that was ten times slower for a while is as good as before soon after', async ({ begin, random }) => {
  const watched = await supervise.fixture('worker', options);
  const { supervisor } = watched;
  const check = await begin(watched);
  const peak = await capacity(watched, 300);
  await supervisor.call('worker', 'price', [random.between(100, 150)]);
  const slow = await openLoop(watched, peak, random.between(600, 1_000), 300);
  expect(slow.other).toEqual([]);
  expect(slow.refused + slow.late).toBeGreaterThan(0);
  await supervisor.call('worker', 'price', [10]);
  const after = await openLoop(watched, 0.5 * peak, 600, 1_000);
  expect(after.other).toEqual([]);
  expect(after.succeeded).toBeGreaterThan(0.6 * 0.5 * 0.6 * peak);
  expect(supervisor.status('worker')).toMatchObject({ inFlight: 0, queued: 0, restarts: 0 });
  await check.end({ faults: 0 });
});

rounds('F35 when half of all calls fail retries add no more than a tenth to the load, and their small reserve', async ({ begin, random }) => {
  const calls = random.between(500, 1_500);
  const watched = await supervise.fixture('worker', {
    retry: { attempts: random.between(3, 6), backoffMs: 1, maxBackoffMs: 2 },
    breaker: { enabled: false },
    maxQueue: calls,
  });
  const { supervisor } = watched;
  const check = await begin(watched);
  const outcomes = await Promise.allSettled(Array.from({ length: calls }, () => supervisor.call('worker', 'halfFails')));
  const failed = outcomes.filter(({ status }) => status === 'rejected');
  for (const { reason } of failed as PromiseRejectedResult[]) expect(reason).toMatchObject({ code: 'ERR_PLUGIN_THREW' });
  const received = (await supervisor.call('worker', 'received')) as number;
  expect(received).toBeGreaterThan(calls);
  expect(received).toBeLessThanOrEqual(1.1 * calls + RESERVE);
  expect(supervisor.metrics('worker').plugins['worker']!['1.0.0']!.methods['halfFails']!.retries).toBe(received - calls);
  await check.end({ faults: 0 });
});
