/** What a channel promises of the bulk lane, over each transport: what is large there holds up nothing else, and nothing else is given up for it. */
import { describe, expect, test } from 'vitest';
import { IntakeBudget } from '../../src/rpc/intake.ts';
import { IncomingLane } from '../../src/rpc/lane.ts';
import { expectNeverHeld } from '../helpers/held.ts';
import { until } from '../helpers/until.ts';
import { Connected, transports, type TestCall } from './channel-peers.ts';

const PART = 65_536;
const MAX_MESSAGE_BYTES = 2 ** 20;

const inFrame = (body: string): string => `Content-Length: ${body.length}\r\n\r\n${body}`;
const part = (bytes: string): string => `Content-Length: ${bytes.length}\r\nContent-Type: application/vnd.chameleon.lane\r\n\r\n${bytes}`;
/** These bytes in parts, behind each of which stands `between`. */
const inLane = (bytes: string, between = ''): string => bytes.replace(new RegExp(`[^]{1,${PART}}`, 'g'), (piece) => part(piece) + between);
const answer = ({ id }: TestCall, result: string): string => inFrame(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
/** As dense as JSON can be. */
const dense = (items: number): string => `[${'[],'.repeat(items)}0]`;
const log = (message: string): string => inFrame(`{"jsonrpc":"2.0","method":"$/log","params":{"level":"info","message":"${message}"}}`);

/** Calls that are open, and the order in which they are answered. */
function open(peer: Connected, ...names: string[]): { calls: TestCall[]; order: string[] } {
  const order: string[] = [];
  const calls = names.map((name) => {
    const call = peer.call('silence');
    void call.settled.then(() => order.push(name));
    return call;
  });
  return { calls, order };
}

describe.each(transports)('the lane over %s', (transport) => {
  const connect: typeof Connected.to = (_, options) => Connected.to(transport, { maxMessageBytes: MAX_MESSAGE_BYTES, ...options });

  test('lets small answers go before a large one that began before them, during its transfer and while it is parsed', async () => {
    await using peer = connect(transport);
    const { calls, order } = open(peer, 'large', 'during', 'after');
    const [large, during, after] = calls as [TestCall, TestCall, TestCall];
    const bytes = answer(large, dense(300_000));
    peer.call('bytes', inLane(bytes.slice(0, PART)) + answer(during, '1') + inLane(bytes.slice(PART), log('between')) + answer(after, '2'));
    expect(await large.settled).toEqual({ kind: 'answered', result: expect.any(Array) as unknown[] });
    expect((large.outcomes[0] as { result: unknown[] }).result).toHaveLength(300_001);
    expect(order).toEqual(['during', 'after', 'large']);
    expect(peer.logs).toHaveLength(Math.ceil((bytes.length - PART) / PART));
    expect([peer.strays, peer.ends]).toEqual([[], []]);
  });

  test('keeps its own order, and carries what is small as well', async () => {
    await using peer = connect(transport);
    const { calls, order } = open(peer, 'first', 'small', 'second');
    const values = [dense(100_000), '"x"', `"${'y'.repeat(500_000)}"`];
    peer.call('bytes', inLane(calls.map((call, i) => answer(call, values[i]!)).join('')));
    const outcomes = await Promise.all(calls.map(({ settled }) => settled));
    expect(order).toEqual(['first', 'small', 'second']);
    expect(outcomes.map((outcome) => JSON.stringify((outcome as { result: unknown }).result))).toEqual(values);
  });

  test('is granted what was delivered, so that it never ends', async () => {
    await using peer = connect(transport);
    let sent = 0;
    for (let i = 0; i < 6; i++) {
      const [call] = open(peer, 'large').calls as [TestCall];
      const bytes = answer(call, `"${'x'.repeat(MAX_MESSAGE_BYTES - 100)}"`);
      sent += bytes.length;
      peer.call('bytes', inLane(bytes));
      expect(await call.settled).toMatchObject({ kind: 'answered' });
    }
    const granted: number[] = [];
    await until('all is granted', async () => {
      const seen = (await peer.ask('seen')) as { method: string; params: { bytes: number } }[];
      granted.push(...seen.filter(({ method }) => method === '$/lane').map(({ params }) => params.bytes));
      return granted.length === 6;
    });
    expect(granted.reduce((a, b) => a + b)).toBe(sent);
    expect(peer.ends).toEqual([]);
  });

  test('delivers what is whole before the fault, and before the end, that follow it', async () => {
    await using broken = connect(transport);
    const [call] = open(broken, 'large').calls as [TestCall];
    broken.call('bytes', inLane(answer(call, dense(300_000))) + part('garbage\n') + log('never'));
    await until('the end', () => broken.ends.length > 0);
    expect(broken.ends).toEqual([expect.stringContaining('expected a Content-Length header')]);
    expect([call.outcomes.length, broken.logs]).toEqual([1, []]);

    await using gone = connect(transport);
    const [whole, cut] = open(gone, 'whole', 'cut').calls as [TestCall, TestCall];
    gone.call('bytes', inLane(answer(whole, dense(200_000))) + inLane(answer(cut, dense(100_000)).slice(0, 100_000)));
    gone.call('end');
    await until('the end', () => gone.ends.length > 0);
    expect([gone.ends, whole.outcomes.length, cut.outcomes]).toEqual([[null], 1, []]);
  });

  test.each<[string, (call: TestCall) => string, RegExp]>([
    ['a header in it that is none', () => part('hello, world\r\n'), /^expected a Content-Length header, found "hello/],
    ['a length in it that is none', () => part('Content-Length: 1e3\r\n\r\n'), /no decimal number/],
    ['a frame in it over the limit', () => part(`Content-Length: ${MAX_MESSAGE_BYTES + 1}\r\n\r\n`), /is over the limit of 1048576 bytes$/],
    ['a frame in it that is no JSON', (call) => inLane(answer(call, dense(300_000).slice(1))), /^a frame is not JSON \(/],
    ['a frame in it that is no message', () => part(inFrame('[]')), /^a frame is not a JSON-RPC message$/],
    ['a part in a part', () => part(part(inFrame('1'))), /not agreed on$/],
    ['a part that is too large', () => part('x'.repeat(PART + 1)), /^a part of the lane has 65537 bytes, the limit is 65536$/],
    ['an empty part', () => part(''), /^a part of the lane is empty$/],
  ])('ends the channel for %s, once', async (_, bytes, reason) => {
    await using peer = connect(transport);
    const [call] = open(peer, 'open').calls as [TestCall];
    peer.call('bytes', bytes(call));
    await until('the end', () => peer.ends.length > 0);
    expect(peer.ends).toEqual([expect.stringMatching(reason)]);
    expect(call.outcomes).toEqual([]);
  });

  test('takes answers that nobody waits for as any others', async () => {
    await using peer = connect(transport);
    peer.call('bytes', part(inFrame('{"jsonrpc":"2.0","id":7,"result":1}')));
    await until('it is told', () => peer.strays.length > 0);
    expect(peer.strays).toEqual(['an answer to 7, which is not open']);
    expect(peer.ends).toEqual([]);
  });

  test('that stops half-way is not excused by small messages that go on', async () => {
    await using peer = connect(transport, { stallTimeoutMs: 60 });
    const [call] = open(peer, 'large').calls as [TestCall];
    peer.call('bytes', inLane(answer(call, dense(300_000)).slice(0, 100_000)));
    const talk = setInterval(() => peer.call('echo', 1), 5);
    await until('the end', () => peer.ends.length > 0);
    clearInterval(talk);
    expect(peer.ends).toEqual(['a frame stopped half-way for 60 ms: its other parts have not come']);
    expect(call.outcomes).toEqual([]);
  });

  test('is given up when the channel is closed, and delivers nothing', async () => {
    await using peer = connect(transport, { maxMessageBytes: 2 ** 24 });
    const [call] = open(peer, 'large').calls as [TestCall];
    peer.call('bytes', inLane(answer(call, dense(3_000_000))) + log('all is read'));
    await until('all is read', () => peer.logs.length > 0);
    expect(peer.channel.close()).toContain(call);
    await new Promise((resolve) => setImmediate(resolve));
    expect([call.outcomes, peer.ends]).toEqual([[], []]);
  });
});

// In memory: another process may itself pause for longer.
test('does not stall while a large frame beside it is parsed, since nothing is read', async () => {
  await using peer = Connected.to('in memory', { maxMessageBytes: 2 ** 24, stallTimeoutMs: 60 });
  const [inside, beside] = open(peer, 'inside', 'beside').calls as [TestCall, TestCall];
  const bytes = answer(inside, '"in the lane"');
  peer.call('pieces', part(bytes.slice(0, 40)) + answer(beside, dense(3_000_000)), part(bytes.slice(40)));
  await beside.settled;
  expect(await inside.settled).toEqual({ kind: 'answered', result: 'in the lane' });
  expect(peer.ends).toEqual([]);
});

test('more than there is room for ends the channel, when what was whole is delivered', async () => {
  await using peer = Connected.to('in memory', { maxMessageBytes: MAX_MESSAGE_BYTES });
  const { calls } = open(peer, 'first', 'second');
  peer.call('bytes', inLane(calls.map((call) => answer(call, dense(300_000))).join('')));
  await until('the end', () => peer.ends.length > 0);
  expect(peer.ends).toEqual(['more was sent into the lane than there was room for']);
  expect(calls.map(({ outcomes }) => outcomes.length)).toEqual([1, 0]);
});

// Without the peer, which would hold our event loop as well.
test('what waits behind a large frame in the lane is taken in order, and never holds the event loop, however much it is', async () => {
  const first = inFrame(`{"number":0,"value":${dense(100_000)}}`);
  const behind = Array.from({ length: 130 }, (_, i) => inFrame(`{"number":${i + 1},"value":${dense(40_000)}}`));
  const bytes = Buffer.from(first + behind.join(''));
  await expectNeverHeld('130 dense frames behind one that is parsed', async () => {
    const numbers: unknown[] = [];
    let granted = 0;
    const lane = new IncomingLane({
      maxMessageBytes: 2 ** 24,
      maxMessageValues: 1_000_000,
      intake: new IntakeBudget(Infinity).intake(),
      stallTimeoutMs: 5_000,
      isBeingRead: () => true,
      onGrant: (more) => (granted += more),
      onStall: () => expect.fail('it stalled'),
      onMessage: (message) => numbers.push((message as { number: number }).number),
      onFault: (reason) => expect.fail(reason),
      onParsed() {},
    });
    lane.push(bytes);
    await until('all are delivered', () => !lane.isParsing);
    lane.drop();
    expect(numbers).toEqual(Array.from({ length: 131 }, (_, i) => i));
    expect(granted).toBe(bytes.length);
  });
});
