/** One call: its deadline, its slot, its cancellation, what the plugin sees of it, and what comes back when it fails. */
import { getEventListeners } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type CallCancelledError,
  type CallTimeoutError,
  type ConfigInvalidError,
  type MethodNotFoundError,
  type PluginCrashedError,
  PluginThrewError,
} from '../../src/index.ts';
import { linesOf } from '../helpers/lines.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { EARLY_MS } from '../helpers/timers.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

/** What a loaded machine may add to any time. */
const SLACK_MS = 250;

async function timed<T>(promise: Promise<T>): Promise<{ value: T; ms: number }> {
  const started = performance.now();
  const value = await promise;
  return { value, ms: performance.now() - started };
}

describe('the deadline', () => {
  test('counts the wait for a slot, says so, and what never ran never runs', async () => {
    const { supervisor } = await supervise.fixture('polite', { concurrency: 1 });
    const ledger = join(await supervise.tempDir(), 'ledger');
    const first = supervisor.call('polite', 'sleep', [500]);
    const { value: error, ms } = await timed(rejection<CallTimeoutError>(supervisor.call('polite', 'mark', [ledger, 'x'], { timeoutMs: 100 })));
    expect(error).toMatchObject({ code: 'ERR_CALL_TIMEOUT', phase: 'queued', timeoutMs: 100, plugin: 'polite', version: '1.0.0', method: 'mark' });
    expect(error.retryable).toBe(true);
    expect(ms).toBeGreaterThan(100 - EARLY_MS);
    expect(ms).toBeLessThan(100 + SLACK_MS);
    await first;
    await supervisor.call('polite', 'echo', [1]);
    expect(linesOf(ledger)).toEqual([]);
  });

  test('that passes while the call runs says running, and aborts the signal of the plugin', async () => {
    const { supervisor } = await supervise.fixture('polite');
    const ledger = join(await supervise.tempDir(), 'ledger');
    const { value: error, ms } = await timed(rejection<CallTimeoutError>(supervisor.call('polite', 'untilAborted', [ledger], { timeoutMs: 600 })));
    expect(error).toMatchObject({ code: 'ERR_CALL_TIMEOUT', phase: 'running', timeoutMs: 600 });
    expect(ms).toBeLessThan(600 + SLACK_MS);
    await until('the plugin saw it', () => linesOf(ledger).length === 2);
    expect(linesOf(ledger)[1]).toMatch(/^aborted (TimeoutError|AbortError)$/);
    await until('the slot is free', () => supervisor.status('polite').inFlight === 0);
  });

  test('is the deadline also where the plugin notices it first', async () => {
    const { supervisor } = await supervise.fixture('polite', { concurrency: 50, breaker: { enabled: false } });
    const calls = Array.from({ length: 50 }, (_, i) => rejection(supervisor.call('polite', 'sleep', [60_000], { timeoutMs: 50 + i })));
    const codes = new Set((await Promise.all(calls)).map(({ code }) => code));
    expect([...codes]).toEqual(['ERR_CALL_TIMEOUT']);
  });

  test('is declared by code or by package.json, the code first; the caller goes before both', async () => {
    const { supervisor } = await supervise.fixture('slow', { callTimeoutMs: 250 });
    const deadlines = { inManifest: 120, inCode: 130, both: 140, undeclared: 250 };
    const found = await Promise.all(
      Object.keys(deadlines).map(async (method) => [method, (await rejection<CallTimeoutError>(supervisor.call('slow', method))).timeoutMs]),
    );
    expect(Object.fromEntries(found)).toEqual(deadlines);
    expect(await rejection(supervisor.call('slow', 'both', [], { timeoutMs: 50 }))).toMatchObject({ timeoutMs: 50 });
  });

  test('and the number of the attempt and the trace are there for the plugin to see', async () => {
    const { supervisor } = await supervise.fixture('polite');
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const about = (await supervisor.call('polite', 'about', [], { timeoutMs: 5_000, traceparent })) as Record<string, unknown>;
    expect(about).toMatchObject({ attempt: 1, traceparent });
    expect(about['leftMs']).toBeGreaterThan(4_000);
    expect(about['leftMs']).toBeLessThan(5_002);
    const other = (await supervisor.call('polite', 'about')) as Record<string, unknown>;
    expect(other['id']).not.toBe(about['id']);
    expect(other).not.toHaveProperty('traceparent');
    // callTimeoutMs is 30 seconds when nobody says otherwise.
    expect(other['leftMs']).toBeGreaterThan(29_000);
  });

  test.each([0, -1, 1.5, Number.NaN, Infinity, 2 ** 31])('is refused when it is %s', async (timeoutMs) => {
    const { supervisor } = await supervise.fixture('polite');
    const error = await rejection<ConfigInvalidError>(supervisor.call('polite', 'echo', [1], { timeoutMs }));
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', issues: [{ path: 'timeoutMs' }] });
  });

  test('waits for a child that restarts: a call made meanwhile is answered by the next one', async () => {
    const { supervisor } = await supervise.fixture('polite', { restart: { backoffMs: 50 } });
    const before = supervisor.status('polite').pid;
    const crash = await rejection<PluginCrashedError>(supervisor.call('polite', 'exit', [9]));
    expect(crash).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true, exit: { code: 9, cause: 'exit-code', pid: before } });
    const { pid } = (await supervisor.call('polite', 'who')) as { pid: number };
    expect(pid).not.toBe(before);
  });
});

describe('a slot', () => {
  test('lives as long as the work: with a concurrency of one a call that timed out keeps the next one waiting', async () => {
    const { supervisor } = await supervise.fixture('ignores-cancel', { concurrency: 1, cancelGraceMs: 5_000 });
    const ledger = join(await supervise.tempDir(), 'ledger');
    const late = rejection(supervisor.call('ignores-cancel', 'work', [ledger, 1_000], { timeoutMs: 600 }));
    const next = supervisor.call('ignores-cancel', 'work', [ledger, 1]);
    expect(await late).toMatchObject({ code: 'ERR_CALL_TIMEOUT', phase: 'running' });
    expect(supervisor.status('ignores-cancel')).toMatchObject({ inFlight: 1, queued: 1 });
    await next;
    expect(linesOf(ledger).map((line) => line.split(' ')[0])).toEqual(['begun', 'done', 'begun', 'done']);
  });
});

describe('a cancelled call', () => {
  const cancelled = (reason: unknown) => ({ code: 'ERR_CALL_CANCELLED', cause: reason, retryable: false });

  test('that was cancelled before it was made never reaches the plugin', async () => {
    const { supervisor } = await supervise.fixture('polite');
    const ledger = join(await supervise.tempDir(), 'ledger');
    const reason = new Error('changed my mind');
    const call = supervisor.call('polite', 'mark', [ledger, 'x'], { signal: AbortSignal.abort(reason) });
    expect(await rejection<CallCancelledError>(call)).toMatchObject(cancelled(reason));
    await supervisor.call('polite', 'echo', [1]);
    expect(linesOf(ledger)).toEqual([]);
  });

  test('that waits leaves the queue at once and never runs', async () => {
    const { supervisor } = await supervise.fixture('polite', { concurrency: 1 });
    const ledger = join(await supervise.tempDir(), 'ledger');
    const controller = new AbortController();
    const first = supervisor.call('polite', 'sleep', [300]);
    const waiting = rejection(supervisor.call('polite', 'mark', [ledger, 'x'], { signal: controller.signal }));
    await until('it waits', () => supervisor.status('polite').queued === 1);
    controller.abort();
    expect(supervisor.status('polite').queued).toBe(0);
    expect(await waiting).toMatchObject({ code: 'ERR_CALL_CANCELLED' });
    await first;
    expect(linesOf(ledger)).toEqual([]);
  });

  test('that runs is rejected at once, aborts the signal of the plugin, and says nothing of its health', async () => {
    const { supervisor } = await supervise.fixture('polite', { breaker: { maxFailures: 1 } });
    const ledger = join(await supervise.tempDir(), 'ledger');
    const controller = new AbortController();
    const running = rejection(supervisor.call('polite', 'untilAborted', [ledger], { signal: controller.signal }));
    await until('it runs', () => linesOf(ledger).length === 1);
    controller.abort();
    const { value: error, ms } = await timed(running);
    expect(error).toMatchObject({ code: 'ERR_CALL_CANCELLED' });
    expect(ms).toBeLessThan(SLACK_MS);
    await until('the plugin saw it', () => linesOf(ledger)[1] === 'aborted AbortError');
    await until('the slot is free', () => supervisor.status('polite').inFlight === 0);
    expect(supervisor.breaker('polite')).toMatchObject({ state: 'closed', failures: 0 });
  });

  test('leaves no listener on a signal that lives on', async () => {
    const { supervisor } = await supervise.fixture('polite');
    const { signal } = new AbortController();
    const calls = Array.from({ length: 50 }, (_, i) => supervisor.call('polite', 'echo', [i], { signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await Promise.all(calls);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('an error of the plugin', () => {
  test('arrives with its name, message, stack, code, data and cause; the child lives on', async () => {
    const { supervisor } = await supervise.fixture('throws');
    const { pid } = supervisor.status('throws');
    const error = await rejection<PluginThrewError>(supervisor.call('throws', 'rich'));
    expect(error).toBeInstanceOf(PluginThrewError);
    expect(error).toMatchObject({ code: 'ERR_PLUGIN_THREW', plugin: 'throws', version: '1.0.0', method: 'rich', retryable: false });
    expect(error.message).toContain('throws@1.0.0.rich threw TypeError: sold out');
    expect(error.remote).toMatchObject({
      name: 'TypeError',
      message: 'sold out',
      code: 'E_SOLD_OUT',
      data: { left: 0 },
      cause: { name: 'RangeError', message: 'the shelf is empty', code: 'E_SHELF' },
    });
    expect(error.remote.stack).toMatch(/sold out\n.*throws.index\.js/s);
    expect(await supervisor.call('throws', 'ok')).toBe('ok');
    expect(supervisor.status('throws').pid).toBe(pid);
  });

  test('has every fact in its JSON, for logs', async () => {
    const { supervisor } = await supervise.fixture('throws');
    const error = await rejection(supervisor.call('throws', 'rich'));
    const facts = JSON.parse(JSON.stringify(error)) as Record<string, unknown>;
    expect(facts).toMatchObject({ code: 'ERR_PLUGIN_THREW', name: 'PluginThrewError', plugin: 'throws', remote: { code: 'E_SOLD_OUT' } });
  });
});

describe('a method that is not there', () => {
  test.each(['nope', '__proto__', 'constructor', 'toString', '$/drain', 'rpc.discover', '', 'x'.repeat(500)])('is refused: %j', async (method) => {
    const { supervisor } = await supervise.fixture('throws');
    const error = await rejection<MethodNotFoundError>(supervisor.call('throws', method));
    expect(error).toMatchObject({ code: 'ERR_METHOD_NOT_FOUND', method, available: ['rich', 'plain', 'answer', 'invalid', 'ok'] });
    expect(await supervisor.call('throws', 'ok')).toBe('ok');
  });
});

test('a typed client of a plugin has its methods and nothing else, also before it is loaded', async () => {
  const { supervisor } = await supervise();
  const client = supervisor.plugin<{ plain(): void; ok(): string }>('throws') as unknown as Record<string, () => Promise<unknown>>;
  expect([client['onModuleInit'], client['asymmetricMatch'], Object.keys(client)]).toEqual([undefined, undefined, []]);
  await supervisor.load(join(fixtures, 'throws'));
  expect(Object.keys(client)).toEqual(['rich', 'plain', 'answer', 'invalid', 'ok']);
  expect([client['onModuleInit'], client['nothing'], 'ok' in client]).toEqual([undefined, undefined, true]);
  expect(await client['ok']!()).toBe('ok');
});
