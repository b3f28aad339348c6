/**
 * What has left a table or a queue is garbage at once, also after a full collection: nothing old and dead links to what came later. If it
 * did, every call would live until the next full collection, and cost twice as much.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { IdTable } from '../../src/protocol/id-table.ts';
import { CallQueue, type QueueItem } from '../../src/resilience/queue.ts';

const LIVE = 100;
const PASSING = 100_000;
/** What comes by takes ten times as much. */
const MAX_KEPT = 2 * 2 ** 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

/** How much more memory there is than before, once `pass` has been called for each, and what is young has been collected. */
async function kept(pass: (n: number) => void): Promise<number> {
  for (let n = 0; n < LIVE; n++) pass(n);
  await Promise.resolve();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let n = LIVE; n < PASSING; n++) {
    pass(n);
    if (n % LIVE === 0) await Promise.resolve();
    if (n % 10_000 === 0) collect({ type: 'minor' });
  }
  for (let round = 0; round < 3; round++) collect({ type: 'minor' });
  return process.memoryUsage().heapUsed - before;
}

const body = (n: number): number[] => Array.from({ length: 20 }, () => n);

test('a table by id keeps nothing that has left it', async () => {
  const table = new IdTable<{ id: number; body: number[] }>();
  const grown = await kept((id) => {
    table.add({ id, body: body(id) });
    table.delete(id - LIVE);
  });
  expect(table.size).toBe(LIVE);
  expect(grown).toBeLessThan(MAX_KEPT);
});

test('a queue keeps nothing that has left it', async () => {
  const queue = new CallQueue<QueueItem>({ concurrency: LIVE, maxQueue: 2 * LIVE, maxQueueBytes: 1_000 });
  const running: (() => void)[] = [];
  const grown = await kept((n) => {
    const item = { bytes: 1, body: body(n), start: (release: () => void) => void running.push(release) };
    expect(queue.offer(item)).toBeNull();
    queue.sent(item);
    if (n >= LIVE) running.shift()!();
  });
  expect(queue.running + queue.waiting).toBe(LIVE);
  expect(grown).toBeLessThan(MAX_KEPT);
});
