/** What a channel promises of frames that are parsed in slices, over each transport: all that it promises of others, and that nobody waits. */
import { describe, expect, test } from 'vitest';
import { expectNeverHeld } from '../helpers/held.ts';
import { until } from '../helpers/until.ts';
import { Connected, transports } from './channel-peers.ts';

/** A result of so many empty arrays: as dense as JSON can be. */
const dense = (items: number): string => `{"jsonrpc":"2.0","id":$id,"result":[${'[],'.repeat(items)}0]}`;
const log = (message: string, rest = ''): string => `{"jsonrpc":"2.0","method":"$/log","params":{"level":"info","message":"${message}"${rest}}}`;
const inFrame = (body: string): string => `Content-Length: ${body.length}\r\n\r\n${body}`;

/** Meanwhile every moment is the last at which it was heard of. */
function isParsing({ channel }: Connected): boolean {
  const now = performance.now();
  return channel.lastReadAt >= now;
}

describe.each(transports)('a large frame over %s', (transport) => {
  const connect: typeof Connected.to = (_, options) => Connected.to(transport, options);

  test('is what it would be in one go, and never holds the event loop', async () => {
    await using peer = connect(transport);
    const exchange = async (): Promise<void> => {
      const call = peer.call('say', dense(1_000_000));
      expect(await call.settled).toEqual({ kind: 'answered', result: expect.any(Array) as unknown[] });
      const { result } = call.outcomes[0] as { result: unknown[] };
      expect(result).toHaveLength(1_000_001);
    };
    // In memory the peer's own work would be judged as ours.
    if (transport === 'in memory') await exchange();
    else await expectNeverHeld('a million empty arrays', exchange);
  });

  test('goes before all that came behind it, in order', async () => {
    await using peer = connect(transport);
    const order: string[] = [];
    const large = peer.call('silence');
    void large.settled.then(() => order.push('large'));
    const small = peer.call('silence');
    void small.settled.then(() => order.push('small'));
    const second = peer.call('silence');
    void second.settled.then(() => order.push('second'));
    const answer = (id: number): string => inFrame(`{"jsonrpc":"2.0","id":${id},"result":1}`);
    const bodies = [large, second].map(({ id }) => inFrame(dense(300_000).replace('$id', String(id))));
    peer.call('bytes', `${bodies[0]!}${inFrame(log('between'))}${answer(small.id)}${bodies[1]!}${inFrame(log('last'))}`);
    await until('all', () => peer.logs.length === 2);
    expect(order).toEqual(['large', 'small', 'second']);
    expect(peer.logs.map(({ message }) => message)).toEqual(['between', 'last']);
    expect([peer.strays, peer.ends]).toEqual([[], []]);
  });

  test('is delivered before the garbage, and before the end, that follow it', async () => {
    await using broken = connect(transport);
    const call = broken.call('silence');
    broken.call('bytes', `${inFrame(dense(300_000).replace('$id', String(call.id)))}Content-Length: x\r\n\r\n`);
    await until('the end', () => broken.ends.length > 0);
    expect(broken.ends).toEqual([expect.stringContaining('no decimal number')]);
    expect(call.outcomes).toHaveLength(1);

    await using gone = connect(transport);
    const last = gone.call('say', dense(300_000));
    gone.call('end');
    await until('the end', () => gone.ends.length > 0);
    expect(gone.ends).toEqual([null]);
    expect(last.outcomes).toHaveLength(1);
  });

  test('that is no JSON ends the channel, once', async () => {
    await using peer = connect(transport);
    peer.call('say', dense(300_000).slice(0, -2), log('never'));
    await until('the end', () => peer.ends.length > 0);
    expect(peer.ends).toEqual([expect.stringMatching(/^a frame is not JSON \(/)]);
    expect(peer.logs).toEqual([]);
  });

  test('is a sign of life for as long as it is read, and what lies behind it does not stall meanwhile', async () => {
    await using peer = connect(transport, { stallTimeoutMs: 60 });
    const call = peer.call('silence');
    const half = inFrame(log('whole'));
    peer.call('bytes', inFrame(dense(2_000_000).replace('$id', String(call.id))) + half.slice(0, 40));
    let silentMs = 0;
    const watch = setInterval(() => {
      if (peer.channel.lastReadAt > call.sentAt!) silentMs = Math.max(silentMs, performance.now() - peer.channel.lastReadAt);
    }, 1);
    await call.settled;
    clearInterval(watch);
    expect(silentMs).toBeLessThan(60);
    expect(peer.ends).toEqual([]);
    await until('the end', () => peer.ends.length > 0);
    expect(peer.ends).toEqual(['a frame stopped half-way for 60 ms: 18 of the 78 bytes of its Content-Length have come']);
  });

  test('is given up when the channel is closed, and delivers nothing', async () => {
    await using peer = connect(transport);
    const call = peer.call('say', dense(3_000_000), log('never'));
    await until('it is being parsed', () => isParsing(peer));
    expect(peer.channel.close()).toEqual([call]);
    await new Promise((resolve) => setImmediate(resolve));
    expect([call.outcomes, peer.logs, peer.ends]).toEqual([[], [], []]);
  });

  test('in answer to a control request takes a megabyte at most', async () => {
    await using peer = connect(transport);
    const answer = peer.channel.request('silence', []).catch((error: Error) => error.message);
    peer.call('say', `{"jsonrpc":"2.0","id":0,"result":"${'x'.repeat(2 ** 20)}"}`);
    await until('the end', () => peer.ends.length > 0);
    expect(peer.ends).toEqual(['an answer to a control request takes 1048612 bytes, the limit is 1048576']);
    peer.channel.close();
    await answer;
  });

  test('of a log record keeps 64 Ki characters of its message, and no fields', async () => {
    await using peer = connect(transport);
    await peer.ask(
      'say',
      log('x'.repeat(300_000)),
      log('large', `,"fields":{"a":"${'x'.repeat(300_000)}"}`),
      '{"jsonrpc":"2.0","id":$id,"result":1}',
    );
    expect(peer.logs).toEqual([
      { level: 'info', message: 'x'.repeat(65_536) },
      { level: 'info', message: 'large', fields: { dropped: 'they are too large' } },
    ]);
  });
});
