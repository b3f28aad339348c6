/** The bounded queue, as callers meet it. Its own rules are held against a model in unit/resilience. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { QueueFullError } from '../../src/index.ts';
import { linesOf } from '../helpers/lines.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

test('calls over concurrency and maxQueue are refused at once, with a time to try again, and the others go on in order', async () => {
  const { supervisor } = await supervise.fixture('polite', { concurrency: 1, maxQueue: 2, breaker: { maxFailures: 1 } });
  const ledger = join(await supervise.tempDir(), 'ledger');
  const accepted = ['a', 'b', 'c'].map((text) => supervisor.call('polite', 'mark', [ledger, text, 100]));
  expect(supervisor.status('polite')).toMatchObject({ inFlight: 1, queued: 2 });
  const started = performance.now();
  const error = await rejection<QueueFullError>(supervisor.call('polite', 'mark', [ledger, 'd']));
  expect(performance.now() - started).toBeLessThan(100);
  expect(error).toMatchObject({ code: 'ERR_QUEUE_FULL', limit: 'maxQueue', retryable: true, plugin: 'polite', version: '1.0.0', method: 'mark' });
  expect(error.retryAfterMs).toBeGreaterThan(0);
  expect(error.retryAfterMs).toBeLessThanOrEqual(10_000);
  await Promise.all(accepted);
  await supervisor.call('polite', 'mark', [ledger, 'e']);
  expect(linesOf(ledger)).toEqual(['a', 'b', 'c', 'e']);
  // A full queue is no failure of the plugin.
  expect(supervisor.breaker('polite')).toMatchObject({ state: 'closed', failures: 0 });
});

test('the queue is bounded in bytes as well, and a lone call may be larger than the bound', async () => {
  const { supervisor } = await supervise.fixture('polite', { concurrency: 1, maxQueueBytes: 100_000 });
  const large = 'x'.repeat(200_000);
  expect(await supervisor.call('polite', 'echo', [large])).toBe(large);
  const busy = supervisor.call('polite', 'sleep', [300]);
  const medium = 'x'.repeat(60_000);
  const first = supervisor.call('polite', 'echo', [medium]);
  expect(supervisor.status('polite').versions[0]!.queuedBytes).toBeGreaterThan(60_000);
  expect(await rejection<QueueFullError>(supervisor.call('polite', 'echo', [medium]))).toMatchObject({
    code: 'ERR_QUEUE_FULL',
    limit: 'maxQueueBytes',
  });
  await busy;
  expect(await first).toBe(medium);
  expect(supervisor.status('polite').versions[0]!.queuedBytes).toBe(0);
});

test('with maxQueue 0 nothing waits, and free slots are used all the same', async () => {
  const { supervisor } = await supervise.fixture('polite', { concurrency: 2, maxQueue: 0 });
  const both = [supervisor.call('polite', 'sleep', [200]), supervisor.call('polite', 'sleep', [200])];
  expect(await rejection(supervisor.call('polite', 'echo', [1]))).toMatchObject({ code: 'ERR_QUEUE_FULL' });
  await Promise.all(both);
  expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
});

test('a thousand calls on ten slots are all answered, each with its own result', async () => {
  const { supervisor } = await supervise.fixture('polite', { concurrency: 10, maxQueue: 1_000 });
  const numbers = Array.from({ length: 1_000 }, (_, i) => i);
  expect(await Promise.all(numbers.map((n) => supervisor.call('polite', 'echo', [n])))).toEqual(numbers);
});
