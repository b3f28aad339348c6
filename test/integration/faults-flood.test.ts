/** Faults F23 and F32: more than can be taken, from us to a child that does not read, and by a plugin of the host's files and processes. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { QueueFullError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { allGone, isAlive } from '../helpers/processes.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const MiB = 2 ** 20;

test('F23 to a child that stops reading no more is kept than the queue may hold, and the rest is ERR_QUEUE_FULL', async () => {
  const watched = await supervise.fixture('worker', { liveness: { intervalMs: 60_000 }, breaker: { enabled: false } });
  const { supervisor } = watched;
  const check = await Invariants.begin(watched, 'under load');
  const { pid } = supervisor.status('worker');
  process.kill(pid!, 'SIGSTOP');
  const before = process.memoryUsage().rss;
  const mebibyte = 'x'.repeat(MiB);
  let held = 0;
  const refused: Promise<QueueFullError>[] = [];
  const kept: Promise<unknown>[] = [];
  for (let i = 0; i < 1_000; i++) {
    const call = supervisor.call('worker', 'pid', [mebibyte], { timeoutMs: 60_000 });
    const { queuedBytes } = supervisor.status('worker').versions[0]!;
    if (queuedBytes > held) kept.push(call);
    else refused.push(rejection<QueueFullError>(call));
    await new Promise((resolve) => setImmediate(resolve));
    held = supervisor.status('worker').versions[0]!.queuedBytes;
  }
  const accepted = kept.length;
  // What the queue may hold, and what is in the pipe.
  expect(accepted).toBeGreaterThanOrEqual(31);
  expect(accepted).toBeLessThan(40);
  for (const error of await Promise.all(refused)) expect(error).toMatchObject({ code: 'ERR_QUEUE_FULL', limit: 'maxQueueBytes', retryable: true });
  expect(supervisor.status('worker').versions[0]!.queuedBytes).toBeLessThanOrEqual(32 * MiB);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * MiB);
  process.kill(pid!, 'SIGCONT');
  expect(new Set(await Promise.all(kept))).toEqual(new Set([pid]));
  expect(supervisor.status('worker')).toMatchObject({ pid, inFlight: 0, queued: 0 });
  await check.end({ faults: 0 });
});

describe('F32 a plugin that opens 5,000 files and starts 200 processes', () => {
  const PROCESSES = 200;

  test.each([
    ['killed since it does not react', 'under load'],
    ['stopped', 'idle'],
  ] as const)('takes them all along when it is %s, %s', { timeout: 60_000 }, async (how, load) => {
    const watched = await supervise.fixture('hoard', { liveness: { intervalMs: 250, timeoutMs: 2_000 } });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched, load);
    const { pid } = supervisor.status('hoard');
    expect(await supervisor.call('hoard', 'files', [5_000])).toBe(5_000);
    const pids = (await supervisor.call('hoard', 'processes', [PROCESSES])) as number[];
    expect(pids.filter(isAlive)).toHaveLength(PROCESSES);
    expect(readdirSync(`/proc/${pid}/fd`).length).toBeGreaterThan(5_000);
    const at = performance.now();
    if (how === 'stopped') await supervisor.unload('hoard');
    else void rejection(supervisor.call('hoard', 'spin'));
    await allGone([pid!, ...pids], at, 6_000);
    if (how === 'stopped') await check.end({ faults: 1, kinds: ['instance-stopped'], instances: { hoard: 0 } });
    else {
      await until('it is replaced', () => supervisor.status('hoard').pid !== null && supervisor.status('hoard').pid !== pid);
      await check.end({ faults: 1 });
    }
    if (how === 'stopped') await supervisor.load(join(fixtures, 'hoard'));
    expect(await supervisor.call('hoard', 'echo', [1])).toBe(1);
  });
});
