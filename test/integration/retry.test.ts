/** What is tried again, what never is, and what bounds it. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { linesOf } from '../helpers/lines.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const calm = { breaker: { enabled: false }, restart: { maxRestarts: 50, backoffMs: 10, maxBackoffMs: 20 } };
const retry = { attempts: 3, backoffMs: 10, maxBackoffMs: 20, budgetRatio: 1 };

test.each(['inCode', 'inManifest'])(
  'a method that is declared idempotent (%s) is tried again, and sees the number of its attempt',
  async (method) => {
    const { supervisor } = await supervise.fixture('flaky', { ...calm, retry });
    const ledger = join(await supervise.tempDir(), 'ledger');
    expect(await supervisor.call('flaky', method, [ledger, 2])).toBe(3);
    expect(linesOf(ledger)).toEqual(['1', '2', '3']);
    expect(supervisor.metrics('flaky').plugins['flaky']!['1.0.0']!.methods[method]).toMatchObject({ calls: 1, succeeded: 1, retries: 2 });
  },
);

test('after the last attempt its error is the answer', async () => {
  const { supervisor } = await supervise.fixture('flaky', { ...calm, retry });
  const ledger = join(await supervise.tempDir(), 'ledger');
  const error = await rejection(supervisor.call('flaky', 'inCode', [ledger, 9]));
  expect(error).toMatchObject({ code: 'ERR_PLUGIN_THREW', remote: { message: 'attempt 3 fails' } });
  expect(linesOf(ledger)).toHaveLength(3);
});

test.each(['undeclared', 'overruled'])('a method that is not (%s) runs once, whether it throws or takes the child along', async (method) => {
  const { supervisor } = await supervise.fixture('flaky', { ...calm, retry });
  const ledger = join(await supervise.tempDir(), 'ledger');
  expect(await rejection(supervisor.call('flaky', method, [ledger, 1]))).toMatchObject({ code: 'ERR_PLUGIN_THREW' });
  expect(await rejection(supervisor.call('flaky', method, [ledger, 1, 'die']))).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true });
  expect(linesOf(ledger)).toEqual(['1', '1']);
});

test('nothing is tried again unless it was asked for', async () => {
  const { supervisor } = await supervise.fixture('flaky', calm);
  const ledger = join(await supervise.tempDir(), 'ledger');
  expect(await rejection(supervisor.call('flaky', 'inCode', [ledger, 1]))).toMatchObject({ code: 'ERR_PLUGIN_THREW' });
  expect(linesOf(ledger)).toEqual(['1']);
});

test('an idempotent call that dies with its child is answered by the next child', async () => {
  const { supervisor, events } = await supervise.fixture('flaky', { ...calm, retry });
  const ledger = join(await supervise.tempDir(), 'ledger');
  expect(await supervisor.call('flaky', 'inCode', [ledger, 2, 'die'])).toBe(3);
  expect(events.filter(({ kind }) => kind === 'instance-crashed')).toHaveLength(2);
});

test('no attempt is begun that the deadline has no room for', async () => {
  const { supervisor } = await supervise.fixture('flaky', { ...calm, retry: { ...retry, backoffMs: 60_000, maxBackoffMs: 60_000 } });
  const ledger = join(await supervise.tempDir(), 'ledger');
  const started = performance.now();
  // Full jitter may draw a pause that fits, though not often: one call in ten thousand.
  const error = await rejection(supervisor.call('flaky', 'inCode', [ledger, 9], { timeoutMs: 1_000 }));
  if (linesOf(ledger).length === 1) expect(error).toMatchObject({ code: 'ERR_PLUGIN_THREW', remote: { message: 'attempt 1 fails' } });
  expect(performance.now() - started).toBeLessThan(1_250);
});

test('a call that is cancelled while it pauses is not tried again', async () => {
  const { supervisor } = await supervise.fixture('flaky', { ...calm, retry: { ...retry, backoffMs: 20_000, maxBackoffMs: 20_000 } });
  const ledger = join(await supervise.tempDir(), 'ledger');
  const controller = new AbortController();
  const pausing = rejection(supervisor.call('flaky', 'inCode', [ledger, 9], { signal: controller.signal, timeoutMs: 60_000 }));
  await until('its first attempt failed', () => linesOf(ledger).length === 1 && supervisor.status('flaky').inFlight === 0);
  controller.abort();
  expect(await pausing).toMatchObject({ code: 'ERR_CALL_CANCELLED' });
  expect(supervisor.status('flaky')).toMatchObject({ inFlight: 0, queued: 0 });
});

test('retries stay within their budget, however many calls fail', async () => {
  const { supervisor } = await supervise.fixture('flaky', { ...calm, retry: { ...retry, budgetRatio: 0.1 } });
  const ledger = join(await supervise.tempDir(), 'ledger');
  await Promise.all(Array.from({ length: 200 }, () => rejection(supervisor.call('flaky', 'inCode', [ledger, 9]))));
  const { retries } = supervisor.metrics('flaky').plugins['flaky']!['1.0.0']!.methods['inCode']!;
  expect(linesOf(ledger)).toHaveLength(200 + retries);
  expect(retries).toBeGreaterThan(0);
  // A tenth of the calls, and the three that a plugin has to begin with.
  expect(retries).toBeLessThanOrEqual(23);
});

test('a call that pauses when the supervisor closes is answered', async () => {
  const { supervisor } = await supervise.fixture('flaky', { ...calm, retry: { ...retry, backoffMs: 20_000, maxBackoffMs: 20_000 } });
  const ledger = join(await supervise.tempDir(), 'ledger');
  const pausing = rejection(supervisor.call('flaky', 'inCode', [ledger, 9], { timeoutMs: 60_000 }));
  await until('its first attempt failed', () => linesOf(ledger).length === 1 && supervisor.status('flaky').inFlight === 0);
  await supervisor.close();
  expect((await pausing).code).toMatch(/^ERR_(SUPERVISOR_CLOSED|PLUGIN_THREW)$/);
});
