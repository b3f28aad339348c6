import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { frame } from '../../src/protocol/frame.ts';
import { bundleRunner, RawChild, repository } from '../helpers/raw-child.ts';

const ENTRY = `${repository}/test/fixtures/plugins/runner-methods/index.js`;
const LIMIT = 2 ** 20;

let bundle: Awaited<ReturnType<typeof bundleRunner>>;
beforeAll(async () => void (bundle = await bundleRunner()));
afterAll(() => bundle[Symbol.asyncDispose]());

async function started(): Promise<RawChild> {
  const child = RawChild.runner(bundle.runner);
  await child.initialize(ENTRY);
  return child;
}

describe('a call', () => {
  test('is answered with what the method returns: a value, a promise, a thenable', async () => {
    await using child = await started();
    for (const method of ['echo', 'later', 'thenable']) {
      const value = { text: '你好 \u2028 👋', list: [1, null, true], ['__proto__']: { polluted: true } };
      expect((await child.call(method, [value])).result).toEqual(value);
    }
    expect(await child.call('echo')).toMatchObject({ result: null });
  });

  test('knows its id, attempt, trace and deadline', async () => {
    await using child = await started();
    const plain = child.call('about');
    expect((await plain).result).toEqual({ id: plain.id, attempt: 1, leftMs: null, aborted: false });
    const { result } = await child.call('about', [], { deadlineMs: 5_000, attempt: 2, traceparent: '00-ab-cd-01' });
    expect(result).toMatchObject({ attempt: 2, traceparent: '00-ab-cd-01', aborted: false });
    expect((result as { leftMs: number }).leftMs).toBeGreaterThan(4_000);
    expect((result as { leftMs: number }).leftMs).toBeLessThanOrEqual(5_001);
  });

  test('with params that are no array is refused', async () => {
    await using child = await started();
    expect(await child.call('echo', { value: 1 })).toMatchObject({ error: { code: -32602 } });
  });

  test('thousands at once are each answered once', async () => {
    await using child = await started();
    const calls = Array.from({ length: 5_000 }, (_, n) => child.call(n % 2 === 0 ? 'echo' : 'later', [n]));
    expect((await Promise.all(calls)).map(({ result }) => result)).toEqual(calls.map((_, n) => n));
    expect(child.answers).toHaveLength(5_001);
  });

  test('waits while its answers are not read, and none is lost', async () => {
    await using child = await started();
    child.output.pause();
    const text = 'x'.repeat(LIMIT / 2);
    const calls = Array.from({ length: 40 }, () => child.call('echo', [text]));
    // The child stops reading, so what is sent stays here.
    await vi.waitFor(() => expect(child.input.writableLength).toBeGreaterThan(LIMIT), { timeout: 5_000 });
    child.output.resume();
    expect((await Promise.all(calls)).every(({ result }) => result === text)).toBe(true);
  });
});

describe('cancelling', () => {
  test('aborts the signal; the answer says so', async () => {
    await using child = await started();
    const call = child.call('untilAborted');
    await vi.waitFor(() => expect(child.logs).toHaveLength(1));
    child.notify('$/cancelRequest', { id: call.id });
    expect(await call).toMatchObject({ error: { code: -32800 } });
  });

  test('a method that ends well all the same is answered with its result, as the acknowledgement', async () => {
    await using child = await started();
    const call = child.call('reasonOfAbort');
    await vi.waitFor(() => expect(child.logs).toHaveLength(1));
    child.notify('$/cancelRequest', { id: call.id });
    expect(await call).toMatchObject({ result: 'AbortError' });
  });

  test('happens by itself when the deadline passes', async () => {
    await using child = await started();
    expect(await child.call('reasonOfAbort', [], { deadlineMs: 20 })).toMatchObject({ result: 'TimeoutError' });
    expect(await child.call('untilAborted', [], { deadlineMs: 20 })).toMatchObject({ error: { code: -32800 } });
  });

  test('reaches a call that has not begun, and pings pass those that wait', async () => {
    await using child = await started();
    const spinning = Array.from({ length: 6 }, () => child.call('spin', [40]));
    const ping = child.control('$/ping');
    child.notify('$/cancelRequest', { id: spinning[5]!.id });
    expect(await spinning[5]).toMatchObject({ error: { code: -32800, message: 'the call was cancelled before it began' } });
    await ping;
    await Promise.all(spinning);
    const order = child.answers.map(({ id }) => id);
    expect(order.indexOf(ping.id)).toBeLessThan(order.indexOf(spinning[4]!.id));
  });

  test('of what is not there changes nothing', async () => {
    await using child = await started();
    for (const params of [{ id: 1 }, { id: 'x' }, {}, null]) child.notify('$/cancelRequest', params);
    expect(await child.call('echo', [1])).toMatchObject({ result: 1 });
  });
});

describe('what is thrown', () => {
  const message = expect.any(String) as string;
  test.each<[string, object]>([
    [
      'error',
      {
        code: -32000,
        message: 'out of stock',
        data: { name: 'RangeError', code: 'ERR_STOCK', data: { left: 0 }, cause: { message: 'the shelf is empty' } },
      },
    ],
    ['answer', { code: -32000, message: 'not found', data: { isFailure: false } }],
    ['arguments', { code: -32602, message: 'name must be a text', data: { name: 'TypeError' } }],
    ['string', { code: -32000, message: 'just a string' }],
    ['null', { code: -32000, message: 'null' }],
    ['undefined', { code: -32000, message }],
    ['symbol', { code: -32000, message: 'Symbol(s)' }],
    ['object', { code: -32000, data: { data: { reason: 'sold out' } } }],
    ['cyclic', { code: -32000, message: 'cyclic', data: { data: '(dropped: data.self: a cycle)' } }],
    [
      'huge',
      {
        code: -32000,
        message: expect.stringMatching(/^x+… \(truncated\)$/) as string,
        data: { data: '(dropped: 131074 bytes of JSON, the limit is 65536)' },
      },
    ],
    ['getters', { code: -32000, message }],
    ['proxy', { code: -32000, message }],
  ])('%s arrives, bounded, and the plugin goes on', async (kind, error) => {
    await using child = await started();
    for (const method of ['throws', 'rejects']) {
      const answer = await child.call(method, [kind]);
      expect(answer.error).toMatchObject(error);
      expect(Buffer.byteLength(answer.error!.message)).toBeLessThanOrEqual(8 * 1024);
      expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(128 * 1024);
    }
    expect(await child.call('echo', [1])).toMatchObject({ result: 1 });
  });
});

describe('what is returned', () => {
  test.each([
    ['bigint', 'result.list[1]', 'a bigint'],
    ['cycle', 'result.self', 'a cycle'],
    ['function', 'result.fn', 'a function'],
    ['symbol', 'result', 'a symbol'],
    ['getter', 'result', 'trap'],
    ['deep', 'result', expect.stringContaining('nested') as string],
  ])('%s is no JSON: an error for that call alone', async (kind, path, reason) => {
    await using child = await started();
    expect(await child.call('returns', [kind])).toMatchObject({ error: { code: -32001, data: { path, reason } } });
    expect(await child.call('echo', [1])).toMatchObject({ result: 1 });
  });

  test.each<[string, unknown]>([
    ['undefined', null],
    ['nan', [null, null, null]],
    ['date', '1970-01-01T00:00:00.000Z'],
    ['buffer', { type: 'Buffer', data: [97] }],
  ])('%s becomes what JSON makes of it', async (kind, result) => {
    await using child = await started();
    expect(await child.call('returns', [kind])).toMatchObject({ result });
  });

  test('more than the limit is refused with both numbers', async () => {
    await using child = await started();
    const { error } = await child.call('returns', ['large']);
    expect(error).toMatchObject({ code: -32002, data: { limit: LIMIT } });
    expect((error!.data as { bytes: number }).bytes).toBeGreaterThan(LIMIT);
  });
});

describe('logs', () => {
  test('this.log makes records with fields; errors among them keep what they say', async () => {
    await using child = await started();
    await child.call('logs', ['careful', { n: 1 }]);
    await child.call('logsError');
    expect(child.logs).toMatchObject([
      { level: 'warn', message: 'careful', fields: { n: 1 } },
      { level: 'error', message: 'it failed', fields: { error: { name: 'RangeError', message: 'too far', stack: expect.any(String) as string } } },
      { level: 'error', message: 'cannot be said', fields: { dropped: 'fields.n: a bigint' } },
    ]);
  });

  test('the console makes one record of what it prints; the raw streams stay raw', async () => {
    await using child = await started();
    await child.call('prints');
    const records = child.logs.map(({ level, message }) => [level, message]);
    expect(records.slice(0, 5)).toEqual([
      ['debug', 'a debug of 1'],
      ['info', 'first\nsecond'],
      ['info', '{ a: { b: 1 } }'],
      ['warn', 'careful'],
      ['error', 'shown'],
    ]);
    expect(records[5]![1]).toMatch(/│ a │/);
    expect(records[6]![1]).toMatch(/^z+… \(truncated\)$/);
    expect(Buffer.byteLength(records[6]![1]!)).toBeLessThanOrEqual(64 * 1024);
    await vi.waitFor(() => expect([child.stdout, child.stderr]).toEqual(['raw out\n', 'raw err\n']));
  });
});

describe('the channel', () => {
  test('a ping is answered with memory, CPU time and the worst delay of the event loop', async () => {
    await using child = await started();
    await child.call('spin', [400]);
    const { result } = await child.control('$/ping');
    const { eventLoopDelayMs, rssBytes, cpuMs } = result as Record<string, number>;
    expect(rssBytes).toBeGreaterThan(10 * 2 ** 20);
    expect(cpuMs).toBeGreaterThan(20);
    expect(eventLoopDelayMs).toBeGreaterThan(100);
  });

  test('frames may come in any pieces', async () => {
    await using child = await started();
    const call = frame(JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'echo', params: ['你好'] }));
    for (const byte of Buffer.from(call)) {
      child.input.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    await vi.waitFor(() => expect(child.answers.at(-1)).toEqual({ jsonrpc: '2.0', id: 7, result: '你好' }));
  });

  test.each([
    ['garbage', 'hello\n'],
    ['a frame that is no JSON', frame('{oops')],
  ])('%s ends the process, with the reason on stderr', async (_, bytes) => {
    await using child = await started();
    child.input.write(bytes);
    expect(await child.exited).toMatchObject({ code: 1 });
    expect(child.stderr).toMatch(/^\[chameleon\] protocol error: /);
  });
});
