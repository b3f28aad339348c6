/** Very many calls at once: the price of each stays that of a few, and other plugins are served meanwhile. */
import { getEventListeners } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ChameleonError } from '../../src/index.ts';
import { retained } from '../helpers/retained.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const CALLS = 20_000;
const MiB = 2 ** 20;

const block = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end;);
};

describe('a storm of calls', () => {
  test('on one signal adds one listener to it, and leaves none', async () => {
    const { supervisor } = await supervise.fixture('worker', { maxQueue: CALLS });
    const other = await supervise.fixture('worker');
    const cancel = new AbortController();
    const { signal } = cancel;
    const settled = Promise.allSettled(Array.from({ length: CALLS }, () => supervisor.call('worker', 'work', [], { signal })));
    const elsewhere = Promise.allSettled([other.supervisor.call('worker', 'work', [], { signal })]);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    cancel.abort();
    const [outcomes] = await Promise.all([settled, elsewhere]);
    expect(new Set(outcomes.map((each) => (each.status === 'rejected' ? (each.reason as ChameleonError).code : each.status)))).toEqual(
      new Set(['ERR_CALL_CANCELLED']),
    );
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('costs about as much with a signal for all as without one', async () => {
    const { supervisor } = await supervise.fixture('worker', { maxQueue: 3 * CALLS });
    const { signal } = new AbortController();
    const took = (options: object): number => {
      const begun = process.cpuUsage();
      for (let i = 0; i < CALLS; i++) supervisor.call('worker', 'work', [], options).catch(() => {});
      const { user, system } = process.cpuUsage(begun);
      return user + system;
    };
    const [, without, withSignal] = [took({}), took({}), took({ signal })];
    expect(withSignal).toBeLessThan(4 * without);
  });

  test('that is refused leaves neither memory nor timers, and other plugins answer meanwhile', async () => {
    const { supervisor } = await supervise.fixture('worker');
    await supervisor.load(join(fixtures, 'bystander'));
    const storm = async (): Promise<string[]> => {
      const all = await Promise.allSettled(Array.from({ length: CALLS }, () => supervisor.call('worker', 'pid', ['x'.repeat(100)])));
      return all.map((each) => (each.status === 'rejected' ? (each.reason as ChameleonError).code : each.status));
    };
    await storm();
    const before = retained();
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const timersBefore = timers();
    let isOver = false;
    const others: Promise<unknown>[] = [];
    const calls = (async () => {
      while (!isOver) {
        others.push(supervisor.call('bystander', 'echo', [1], { timeoutMs: 1_000 }));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(new Set(await storm())).toEqual(new Set(['ERR_QUEUE_FULL', 'fulfilled']));
    }
    isOver = true;
    await calls;
    expect(new Set(await Promise.all(others))).toEqual(new Set([1]));
    others.length = 0;
    await until('nothing is left of it', () => retained() - before < 3 * MiB && timers() <= timersBefore + 2);
  });
});

test('an answer that came in time is the result of its call, though our own loop was blocked past the deadline', async () => {
  const { supervisor } = await supervise.fixture('worker');
  const folder = await supervise.tempDir();
  const timeoutMs = 500;
  for (let round = 0; round < 5; round++) {
    const mark = join(folder, `answered-${round}`);
    const answer = supervisor.call('worker', 'mark', [mark], { timeoutMs });
    // Its frame leaves first.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    // On a busy machine the child may be slow: its answer is certainly in the pipe once it left the mark.
    const patience = performance.now() + 10_000;
    block(timeoutMs + 50);
    while (!existsSync(mark) && performance.now() < patience) block(1);
    expect(await answer).toBe(supervisor.status('worker').pid);
  }
});
