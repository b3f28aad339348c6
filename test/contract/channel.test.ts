/** What a channel promises, over each transport. */
import { describe, expect, test } from 'vitest';
import { until } from '../helpers/until.ts';
import { Connected, transports } from './channel-peers.ts';

describe.each(transports)('a channel over %s', (transport) => {
  const connect: typeof Connected.to = (_, options) => Connected.to(transport, options);
  const body = (rest: string): string => `{"jsonrpc":"2.0","id":$id,${rest}}`;

  test('answers calls, whatever JSON they carry', async () => {
    await using peer = connect(transport);
    for (const value of [null, 0, '', 'größer 👋', [1, [2]], { a: { b: null } }, 'x'.repeat(200_000)])
      expect(await peer.ask('echo', value)).toEqual(value);
    expect(peer.channel.pending).toBe(0);
    expect([peer.strays, peer.ends]).toEqual([[], []]);
  });

  test('gives each answer to its call, in whatever order they come', async () => {
    await using peer = connect(transport);
    const calls = ['a', 'b', 'c'].map((key) => peer.call('hold', key));
    expect(peer.channel.pendingCalls()).toEqual(calls);
    const order: string[] = [];
    for (const call of calls) void call.settled.then((outcome) => order.push((outcome as { result: string }).result));
    await peer.ask('release', 'c', 'a', 'b');
    expect(order).toEqual(['c', 'a', 'b']);
    expect(calls.map((call) => call.outcomes.length)).toEqual([1, 1, 1]);
  });

  test('hands on errors as they were sent', async () => {
    await using peer = connect(transport);
    const error = { code: -32000, message: 'no', data: { name: 'TypeError', cause: { message: 'why' } } };
    expect(await peer.call('refuse', error).settled).toEqual({ kind: 'refused', error });
    expect(await peer.call('nonsense').settled).toMatchObject({ kind: 'refused', error: { code: -32601 } });
  });

  test('cancels a call by its id, and the call is settled by the answer to that', async () => {
    await using peer = connect(transport);
    const call = peer.call('hold', 'a');
    await peer.ask('echo');
    expect(peer.channel.withdraw(call)).toBe(false);
    peer.channel.cancel(call.id);
    expect(await call.settled).toMatchObject({ kind: 'refused', error: { code: -32800 } });
    expect(await peer.ask('seen')).toEqual([{ method: '$/cancelRequest', params: { id: call.id } }]);
  });

  test('takes back a call that was not sent, and the peer never sees it', async () => {
    await using peer = connect(transport);
    const call = peer.call('say', body('"result":1'));
    expect(peer.channel.withdraw(call)).toBe(true);
    call.frame = null;
    expect(await peer.ask('echo', 1)).toBe(1);
    expect([call.outcomes, call.sentAt, peer.channel.pending]).toEqual([[], null, 0]);
  });

  test('carries control requests beside the calls', async () => {
    await using peer = connect(transport);
    const call = peer.call('hold', 'a');
    const requests = [peer.channel.request('$/ping'), peer.channel.request('$/drain'), peer.channel.request('$/ping', {})];
    expect(await Promise.all(requests)).toEqual([{ cpuMs: 1 }, null, { cpuMs: 1 }]);
    await expect(peer.channel.request('$/nonsense')).rejects.toMatchObject({ code: -32601 });
    expect(call.outcomes).toEqual([]);
  });

  test('delivers log records, in order, and refuses what is none', async () => {
    await using peer = connect(transport);
    const log = (params: string): string => `{"jsonrpc":"2.0","method":"$/log","params":${params}}`;
    const good = [
      { level: 'info', message: 'one' },
      { level: 'error', message: 'two', fields: { a: 1 } },
    ];
    const deep = `{"level":"info","message":"three","fields":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`;
    const bad = ['null', '5', '{}', '{"level":"loud","message":"x"}', '{"level":"info"}', '{"level":{},"message":[]}'];
    await peer.ask('say', ...[...good.map((record) => JSON.stringify(record)), deep, ...bad].map(log), body('"result":1'));
    expect(peer.logs).toEqual([...good, { level: 'info', message: 'three', fields: { dropped: 'they nest too deep' } }]);
    expect(peer.strays).toEqual(bad.map(() => 'a log record without level or message'));
  });

  test('believes the first answer, and counts the others', async () => {
    await using peer = connect(transport);
    const call = peer.call('say', body('"result":1'), body('"result":2'), body('"error":{"code":1,"message":"x"}'));
    await until('the strays', () => peer.strays.length === 2);
    expect(call.outcomes).toEqual([{ kind: 'answered', result: 1 }]);
    expect(peer.strays).toEqual([1, 2].map(() => `an answer to ${call.id}, which is not open`));
    expect(await peer.ask('echo', 'still')).toBe('still');
  });

  test.each<[string, string, object]>([
    ['neither result nor error', '"x":1', { kind: 'garbled', reason: 'its answer has neither result nor error' }],
    ['no error but null', '"error":null', { kind: 'garbled', reason: 'its answer has neither result nor error' }],
    ['an error that is none', '"error":"no"', { kind: 'garbled', reason: 'its error is not a JSON-RPC error' }],
    ['an error without code', '"error":{"message":"x"}', { kind: 'garbled', reason: 'its error is not a JSON-RPC error' }],
    [
      'an error whose message is no text',
      '"error":{"code":1,"message":{"toString":1}}',
      { kind: 'garbled', reason: 'its error is not a JSON-RPC error' },
    ],
    ['an empty result', '"result":null', { kind: 'answered', result: null }],
    ['a result and an error of null', '"result":1,"error":null', { kind: 'answered', result: 1 }],
  ])('settles a call that was answered with %s', async (_, rest, outcome) => {
    await using peer = connect(transport);
    expect(await peer.call('say', body(rest)).settled).toEqual(outcome);
    expect([peer.strays, peer.ends]).toEqual([[], []]);
  });

  test('takes an answer with both result and error for an error, and says so', async () => {
    await using peer = connect(transport);
    const call = peer.call('say', body('"result":1,"error":{"code":5,"message":"x"}'));
    expect(await call.settled).toEqual({ kind: 'refused', error: { code: 5, message: 'x' } });
    expect(peer.strays).toEqual([`an answer to ${call.id} with both result and error`]);
  });

  // F19
  test('counts answers to ids that are not open, of whatever type, and goes on', async () => {
    await using peer = connect(transport);
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const ids = ['0', '99', '-1', '1.5', '1e400', 'null', 'true', '"$id"', '"x"', '[$id]', '{"id":$id}', deep];
    const answers = ids.map((id) => `{"jsonrpc":"2.0","id":${id},"result":"wrong"}`);
    expect(await peer.ask('say', ...answers, '{"jsonrpc":"2.0","result":"no id"}', body('"result":"right"'))).toBe('right');
    expect(peer.strays).toHaveLength(ids.length + 1);
    expect(peer.strays.every((reason) => /^an answer to .{1,110}, which is not open$/.test(reason))).toBe(true);
    expect(peer.ends).toEqual([]);
  });

  test('refuses requests of the peer by name, and counts notifications that it does not know', async () => {
    await using peer = connect(transport);
    expect(await peer.ask('ask', 'host/secrets')).toMatchObject({ id: 'from the child', error: { code: -32601 } });
    await peer.ask('say', '{"jsonrpc":"2.0","method":"progress","params":{}}', '{"jsonrpc":"2.0","method":[[5]]}', body('"result":1'));
    expect(peer.strays).toEqual([
      'unexpected request "host/secrets"',
      'unexpected notification "progress"',
      'unexpected notification one of type object',
    ]);
  });

  test('ends with a peer that talks and talks instead of answering', async () => {
    await using peer = connect(transport);
    peer.call('say', ...Array.from({ length: 1_001 }, () => '{"jsonrpc":"2.0","method":"progress"}'));
    await until('the end', () => peer.ends.length > 0);
    expect(peer.ends).toEqual(['more than 1000 messages a second that nobody asked for']);
  });

  test.each([
    ['that is no JSON', 'Content-Length: 3\r\n\r\n{a}', /^a frame is not JSON/],
    ['that is a number', 'Content-Length: 1\r\n\r\n5', /^a frame is not a JSON-RPC message$/],
    ['that is a batch', 'Content-Length: 2\r\n\r\n[]', /^a frame is not a JSON-RPC message$/],
    ['over the limit', 'Content-Length: 16777217\r\n\r\n', /over the limit of 16777216 bytes/],
    ['without a length', 'Content-Type: x\r\n\r\n{}', /Content-Length is missing/],
  ])('ends at a frame %s, once, and delivers nothing after it', async (_, bytes, reason) => {
    await using peer = connect(transport);
    const call = peer.call('hold', 'a');
    const late = '{"jsonrpc":"2.0","method":"$/log","params":{"level":"info","message":"late"}}';
    peer.call('bytes', `${bytes}Content-Length: ${late.length}\r\n\r\n${late}`);
    await until('the end', () => peer.ends.length > 0);
    peer.call('echo', 1);
    peer.call('exit', 0);
    expect(peer.ends).toEqual([expect.stringMatching(reason)]);
    expect([call.outcomes, peer.logs, peer.strays]).toEqual([[], [], []]);
    expect(peer.channel.close()).toContain(call);
  });

  // F16
  test('ends at a frame that stops half-way, not at one that goes on slowly', async () => {
    await using peer = connect(transport, { stallTimeoutMs: 300 });
    const text = 'Content-Length: 60\r\n\r\n{"jsonrpc":"2.0","method":"$/log","params":{"level":"info","m';
    peer.call('bytes', text.slice(0, 30));
    for (let i = 30; i < 42; i += 4) {
      const more = performance.now() + 120;
      await until('a little time', () => performance.now() > more);
      peer.call('bytes', text.slice(i, i + 4));
    }
    expect(peer.ends).toEqual([]);
    const stopped = performance.now();
    await until('the end', () => peer.ends.length > 0);
    expect(peer.ends).toEqual(['a frame stopped half-way for 300 ms: 20 of the 60 bytes of its Content-Length have come']);
    expect(performance.now() - stopped).toBeGreaterThan(250);
  });

  // F17
  test('reads frames in one write and byte by byte alike', async () => {
    await using peer = connect(transport);
    const answer = (id: number, text: string): string => {
      const json = JSON.stringify({ jsonrpc: '2.0', id, result: text });
      return Buffer.from(`Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`).toString('latin1');
    };
    const calls = ['größer', '世界', '👋'].map((text) => ({ text, call: peer.call('silence') }));
    const bytes = calls.map(({ text, call }) => answer(call.id, text)).join('');
    peer.call('pieces', ...bytes.split(''));
    for (const { text, call } of calls) expect(await call.settled).toEqual({ kind: 'answered', result: text });
  });

  test('hands no more to a peer that does not read than its pipe takes, and goes on when it does', async () => {
    await using peer = connect(transport);
    await peer.ask('pause', 300);
    const calls = Array.from({ length: 64 }, (_, i) => peer.call('echo', `${i}`.padEnd(65_536, 'x')));
    await until('the first are sent', () => calls[0]!.sentAt !== null);
    const sent = calls.filter((call) => call.sentAt !== null).length;
    expect(sent).toBeLessThan(calls.length / 2);
    expect(peer.channel.withdraw(calls[63]!)).toBe(true);
    calls[63]!.frame = null;
    const results = await Promise.all(calls.slice(0, 63).map((call) => call.settled));
    expect(results.every((outcome, i) => outcome.kind === 'answered' && (outcome.result as string).startsWith(`${i}x`))).toBe(true);
  });

  test('takes what comes as fast as it is read, so that a flood waits at its source', async () => {
    await using peer = connect(transport);
    const most = (await peer.ask('flood', 2_000, 4_096)) as number;
    expect(peer.logs).toHaveLength(2_000);
    expect(peer.logs.every(({ message }, i) => message.startsWith(`${i} x`))).toBe(true);
    expect(most).toBeLessThan(2 ** 20);
  });

  test('hands back what has no answer when it is closed, sent or not, once, and delivers nothing more', async () => {
    await using peer = connect(transport);
    const held = peer.call('hold', 'a');
    await peer.ask('echo');
    const unsent = peer.call('echo', 1);
    const ping = peer.channel.request('$/ping');
    const idle = peer.channel.idle();
    expect(peer.channel.close()).toEqual([held, unsent]);
    expect([held.sentAt === null, unsent.sentAt === null]).toEqual([false, true]);
    expect([peer.channel.close(), peer.channel.pending]).toEqual([[], 0]);
    await expect(ping).rejects.toThrow(/disposed/);
    await expect(peer.channel.request('$/ping')).rejects.toThrow(/disposed/);
    await idle;
    expect([held.outcomes, unsent.outcomes]).toEqual([[], []]);
  });

  test('is idle when nothing waits for an answer, and says when it becomes so', async () => {
    await using peer = connect(transport);
    await peer.channel.idle();
    peer.call('hold', 'a');
    let isIdle = false;
    const idle = peer.channel.idle().then(() => (isIdle = true));
    await peer.ask('echo');
    expect(isIdle).toBe(false);
    peer.call('release', 'a');
    await idle;
    expect(peer.channel.pending).toBe(0);
  });

  test.each(['end', 'exit'])('says once that the peer is gone, after all that it said: %s', async (order) => {
    await using peer = connect(transport);
    const call = peer.call('hold', 'a');
    peer.call('release', 'a');
    peer.call(order, 0);
    await until('the end', () => peer.ends.length > 0);
    expect(peer.ends).toEqual([null]);
    expect(call.outcomes).toEqual([{ kind: 'answered', result: 'a' }]);
    expect(await peer.channel.request('$/ping').catch((error: Error) => error)).toBeInstanceOf(Error);
    expect(peer.ends).toEqual([null]);
  });
});

test('what is sent in one turn leaves in one write, in order, and the next turn in another', async () => {
  await using peer = Connected.to('in memory');
  const calls = Array.from({ length: 20 }, (_, i) => peer.call('echo', i));
  peer.channel.cancel(1);
  void peer.channel.request('$/ping').catch(() => {});
  expect(peer.writes).toEqual([]);
  await Promise.all(calls.map((call) => call.settled));
  expect(peer.writes).toHaveLength(1);
  expect(peer.writes[0]!.match(/"method":"[^"]+"/g)).toEqual([
    ...calls.map(() => '"method":"echo"'),
    '"method":"$/cancelRequest"',
    '"method":"$/ping"',
  ]);
  await peer.ask('echo');
  expect(peer.writes).toHaveLength(2);
});

test('of much that is sent in one turn the first part leaves while the rest is still made, in order and never one by one', async () => {
  await using peer = Connected.to('in memory');
  const calls = Array.from({ length: 100 }, (_, i) => peer.call('echo', i));
  expect(peer.writes.length).toBeGreaterThan(0);
  await Promise.all(calls.map((call) => call.settled));
  expect(peer.writes.length).toBeLessThanOrEqual(5);
  expect(peer.writes.join('').match(/(?<="params":\[)\d+/g)).toEqual(calls.map((_, i) => String(i)));
});

test('a large batch is cut into writes of about a mebibyte, never through a frame', async () => {
  await using peer = Connected.to('in memory');
  const calls = Array.from({ length: 10 }, () => peer.call('echo', 'x'.repeat(500_000)));
  await Promise.all(calls.map((call) => call.settled));
  expect(peer.writes.length).toBeGreaterThan(2);
  for (const write of peer.writes) {
    expect(write).toMatch(/^Content-Length: /);
    expect(write.length).toBeLessThan(2 ** 20 + 500_200);
  }
});

test('on stdin and stdout lines between frames are handed on, and disturb nothing', async () => {
  const lines: string[] = [];
  await using peer = Connected.to('stdin and stdout', { onStrayLine: (line) => lines.push(line) });
  peer.call('bytes', 'hello\nContent-\n');
  expect(await peer.ask('echo', 1)).toBe(1);
  expect(await peer.ask('say', '{"jsonrpc":"2.0","id":$id,"result":2}')).toBe(2);
  expect(lines).toEqual(['hello', 'Content-']);
});

test('on a dedicated pipe they are a violation', async () => {
  await using peer = Connected.to('a dedicated pipe');
  peer.call('bytes', 'hello\n');
  await until('the end', () => peer.ends.length > 0);
  expect(peer.ends).toEqual(['expected a Content-Length header, found "hello\\n"']);
});
