/** One call by itself: its deadline, its one settlement, its frame. Where it is under way is a stand-in here. */
import { describe, expect, test, vi } from 'vitest';
import { CallTimeoutError, MethodNotFoundError } from '../../src/errors.ts';
import type { CallObserver } from '../../src/events.ts';
import { argsToJson } from '../../src/protocol/json.ts';
import { Call, type CallRequest, type Place } from '../../src/supervision/call.ts';

const request: CallRequest = {
  id: 7,
  plugin: 'hello',
  range: null,
  method: 'greet',
  params: argsToJson(['世界']),
  timeoutMs: 60_000,
  key: undefined,
  signal: undefined,
  traceparent: undefined,
  observer: null,
};

function observer() {
  return { settled: vi.fn<CallObserver['settled']>(), retried: vi.fn<CallObserver['retried']>() };
}

function place() {
  return {
    started: vi.fn<Place['started']>(),
    sent: vi.fn<Place['sent']>(),
    answered: vi.fn<Place['answered']>(),
    refused: vi.fn<Place['refused']>(),
    garbled: vi.fn<Place['garbled']>(),
    abandoned: vi.fn<Place['abandoned']>(),
  };
}

/** What is written on the wire. */
function message(call: Call): Record<string, unknown> {
  call.encode(performance.now(), true, 2 ** 20);
  const [head, body] = call.frame!.split('\r\n\r\n') as [string, string];
  expect(head).toBe(`Content-Length: ${Buffer.byteLength(body)}`);
  return JSON.parse(body) as Record<string, unknown>;
}

describe('a call', () => {
  test('settles once, and tells the observer once', async () => {
    const seen = observer();
    const call = new Call({ ...request, observer: seen });
    call.succeed('first');
    call.fail(new MethodNotFoundError(call.subject, []));
    call.expire();
    call.succeed('second');
    expect(await call.promise).toBe('first');
    expect(seen.settled).toHaveBeenCalledTimes(1);
    expect(seen.settled).toHaveBeenCalledWith('hello', '', 'greet', null, expect.any(Number), -1);
  });

  test('frees its slot once, whether it is settled first or left first', () => {
    const release = vi.fn<() => void>();
    const call = new Call(request);
    call.start(release);
    call.succeed(1);
    call.leave();
    call.leave();
    expect(release).toHaveBeenCalledTimes(1);
  });

  test('that waits says queued at its deadline, one that was sent says running', async () => {
    const waiting = new Call({ ...request, timeoutMs: 20 });
    await expect(waiting.promise).rejects.toMatchObject({ code: 'ERR_CALL_TIMEOUT', phase: 'queued', timeoutMs: 20 });
    const sent = new Call({ ...request, timeoutMs: 20 });
    const where = place();
    sent.place = where;
    sent.sent();
    await expect(sent.promise).rejects.toBeInstanceOf(CallTimeoutError);
    expect(where.abandoned).toHaveBeenCalledWith(sent, 'timeout');
  });

  test('that is cancelled tells where it is under way, and its promise at once', async () => {
    const controller = new AbortController();
    const call = new Call({ ...request, signal: controller.signal });
    const where = place();
    call.place = where;
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(call.promise).rejects.toMatchObject({ code: 'ERR_CALL_CANCELLED', cause: reason });
    expect(where.abandoned).toHaveBeenCalledWith(call, 'cancelled');
  });
});

describe('its frame', () => {
  test('holds what is needed and no more', () => {
    const call = new Call(request);
    const { deadlineMs, ...rest } = message(call);
    expect(rest).toEqual({ jsonrpc: '2.0', id: 7, method: 'greet', params: ['世界'] });
    expect(deadlineMs).toBeGreaterThan(59_000);
    expect(deadlineMs).toBeLessThanOrEqual(60_000);
    call.succeed(null);
  });

  test('has the attempt from the second on, the trace when there is one, and never a deadline below 1', () => {
    const seen = observer();
    const call = new Call({ ...request, method: 'a"b', traceparent: '00-"', observer: seen });
    call.again();
    expect(message(call)).toMatchObject({ method: 'a"b', attempt: 2, traceparent: '00-"' });
    expect(seen.retried).toHaveBeenCalledWith('hello', '', 'a"b');
    call.encode(call.deadlineAt + 10_000, true, 2 ** 20);
    expect(call.frame).toContain('"deadlineMs":1,');
    call.succeed(null);
  });
});
