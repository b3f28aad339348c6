/** Memory that is lent: to one at a time, and from a call only once nobody can read it any more. */
import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { CallTimeoutError } from '../../src/errors.ts';
import { argsToJson } from '../../src/protocol/json.ts';
import { borrow, giveBack } from '../../src/protocol/lending.ts';
import { FrameWriter } from '../../src/rpc/writer.ts';
import { Call } from '../../src/supervision/call.ts';

let last = 100_000;
/** More than a size that is lent above the last one, so that no test takes what another gave back. */
const newSize = (): number => (last = Math.ceil(last * 1.3));

describe('memory', () => {
  test('is lent again once it was given back, and not before', () => {
    const size = newSize();
    const [first, second] = [borrow(size), borrow(size)];
    expect(first.buffer).not.toBe(second.buffer);
    giveBack(first);
    expect(borrow(size - 1).buffer).toBe(first.buffer);
    expect(borrow(size).buffer).not.toBe(first.buffer);
  });

  test('that is given back twice is lent to one', () => {
    const size = newSize();
    const once = borrow(size);
    giveBack(once);
    giveBack(once);
    expect(borrow(size).buffer).toBe(once.buffer);
    expect(borrow(size).buffer).not.toBe(once.buffer);
  });

  test('of others is left to them', () => {
    const size = newSize();
    const [foreign, small] = [Buffer.allocUnsafeSlow(size), borrow(100)];
    giveBack(foreign);
    giveBack(small);
    expect(borrow(size).buffer).not.toBe(foreign.buffer);
    expect(borrow(100)).not.toMatchObject({ buffer: small.buffer, byteOffset: small.byteOffset });
  });

  test.each([1, 4_096, 4_097, 65_535, 2 ** 20 + 1, 2 ** 23 - 1])('for %i bytes is so long, and wastes no more than a quarter', (length) => {
    const bytes = borrow(length);
    expect(bytes).toHaveLength(length);
    if (length >= 4_096) expect(bytes.buffer.byteLength).toBeLessThanOrEqual(length * 1.25 + 1);
  });
});

test('bytes that call themselves longer than they are take nothing along of what was in their memory before', () => {
  const size = newSize();
  giveBack(borrow(size).fill('secret'));
  class Boasting extends Uint8Array {
    override get length(): number {
      return size;
    }
  }
  const [attachment] = argsToJson([new Boasting([1, 2, 3])]).attachments;
  expect(attachment?.bytes).toEqual(Buffer.from([1, 2, 3]));
});

describe('the memory of the arguments of a call', () => {
  /** A pipe that takes a write only when it is told to. */
  function calling(): { call: Call; size: number; memory: ArrayBufferLike; take: (error?: Error) => void } {
    const size = newSize();
    const params = argsToJson([new Uint8Array(size)]);
    const call = new Call({
      id: 7,
      plugin: 'hello',
      range: null,
      method: 'greet',
      params,
      timeoutMs: 60_000,
      key: undefined,
      signal: undefined,
      traceparent: undefined,
      observer: null,
    });
    let take: (error?: Error) => void = () => {};
    const pipe = new Writable({ writev: (_, callback) => (take = callback) });
    call.encode(performance.now(), true, 2 ** 30);
    new FrameWriter(pipe.on('error', () => {})).send(call, true);
    return { call, size, memory: params.attachments[0]!.bytes.buffer, take: (error) => take(error) };
  }
  const written = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('is lent again when its answer is here, if the pipe has taken it all', async () => {
    const { call, size, memory, take } = calling();
    await written();
    call.succeed('answered before it was read to its end');
    expect(borrow(size).buffer).not.toBe(memory);
    take();
    await written();
    expect(borrow(size).buffer).toBe(memory);
  });

  test('is lent again when the pipe has taken it all, if its answer is here', async () => {
    const { call, size, memory, take } = calling();
    await written();
    take();
    await written();
    expect(borrow(size).buffer).not.toBe(memory);
    call.succeed('answered');
    expect(borrow(size).buffer).toBe(memory);
  });

  test.each(['the pipe broke', 'the call failed', 'another call has the same'] as const)('is not lent again where %s', async (why) => {
    const { call, size, memory, take } = calling();
    await written();
    call.sharesParams = why === 'another call has the same';
    take(why === 'the pipe broke' ? new Error('broken') : undefined);
    await written();
    if (why === 'the call failed') call.fail(new CallTimeoutError(call.subject, 1, 'running'));
    call.succeed('answered');
    expect(borrow(size).buffer).not.toBe(memory);
    await call.promise.catch(() => {});
  });
});
