/** Faults F23 and F32: more than can be taken, from us to a child that does not read, and by a plugin of the host's files and processes. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { QueueFullError } from '../../src/index.ts';
import { allGone, isAlive } from '../helpers/processes.ts';
import { rejection } from '../helpers/rejection.ts';
import { retained } from '../helpers/retained.ts';
import { rounds } from '../helpers/rounds.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const MiB = 2 ** 20;
const LIVELY = { liveness: { intervalMs: 100, timeoutMs: 1_000 } };

rounds(
  'F23 to a child that stops reading no more is kept than the queue may hold, and the rest is ERR_QUEUE_FULL',
  async ({ begin, load, random }) => {
    const watched = await supervise.fixture('worker', { liveness: { intervalMs: 60_000 }, breaker: { enabled: false } });
    const { supervisor } = watched;
    const check = await begin(watched);
    const { pid } = supervisor.status('worker');
    await random.moment(0, 30);
    process.kill(pid!, 'SIGSTOP');
    const before = retained();
    const mebibyte = 'x'.repeat(MiB);
    let held = 0;
    const refused: Promise<QueueFullError>[] = [];
    const kept: Promise<unknown>[] = [];
    const calls = load === 'idle' ? 1_000 : random.between(300, 1_000);
    for (let i = 0; i < calls; i++) {
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
    // Were what was refused kept, too, this would be as many MiB as there were calls, and more.
    expect(retained() - before).toBeLessThan(450 * MiB);
    process.kill(pid!, 'SIGCONT');
    expect(new Set(await Promise.all(kept))).toEqual(new Set([pid]));
    expect(supervisor.status('worker')).toMatchObject({ pid, inFlight: 0, queued: 0 });
    await check.end({ faults: 0 });
  },
);

rounds(
  'F32 a plugin that opens 5,000 files and starts 200 processes takes them all along when it is killed since it does not react, and when it is stopped',
  async ({ begin, load, random }) => {
    const watched = await supervise.fixture('hoard', LIVELY);
    const { supervisor } = watched;
    const check = await begin(watched);
    for (const how of random.shuffled(['killed', 'stopped'])) {
      const { pid } = supervisor.status('hoard');
      // Started one in each turn: this many together would take longer than the child may be silent.
      const [files, processes] = load === 'idle' ? [5_000, 200] : [random.between(4_000, 5_000), 10 * random.between(6, 20)];
      expect(await supervisor.call('hoard', 'files', [files])).toBe(files);
      const pids = (await supervisor.call('hoard', 'processes', [processes])) as number[];
      expect(pids.filter(isAlive)).toHaveLength(processes);
      expect(readdirSync(`/proc/${pid}/fd`).length).toBeGreaterThan(files);
      const at = performance.now();
      if (how === 'stopped') await supervisor.unload('hoard');
      else void rejection(supervisor.call('hoard', 'spin'));
      await allGone([pid!, ...pids], at, 6_000);
      if (how === 'stopped') await supervisor.load(join(fixtures, 'hoard'), { options: LIVELY });
      else await until('it is replaced', () => ![null, pid].includes(supervisor.status('hoard').pid));
      expect(await supervisor.call('hoard', 'echo', [1])).toBe(1);
    }
    await check.end({ faults: 2, kinds: ['instance-crashed', 'instance-stopped'] });
  },
  { timeout: 60_000 },
);
