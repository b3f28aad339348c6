/** Faults F13 to F22: a plugin that writes what it should not, or closes what it should not, behind the runner's back. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import type { PluginCrashedError, PluginOptions, ProtocolError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { Ledger } from '../helpers/ledger.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const LOADS = ['idle', 'under load'] as const;
// The same call ends its instance again and again here, and every line that is printed is looked for.
const patient: PluginOptions = {
  poisonAfter: 0,
  maxLogsPerSecond: 1_000_000,
  breaker: { enabled: false },
  restart: { maxRestarts: 1_000, backoffMs: 1, maxBackoffMs: 1 },
};

const raw = (): Promise<Watched> => supervise.fixture('raw-channel', patient);

/** The crash of a call that ended its instance; the next instance is there when this resolves. */
async function crash({ supervisor }: Watched, method: string, ...args: unknown[]): Promise<PluginCrashedError> {
  const { pid } = supervisor.status('raw-channel');
  const error = await rejection<PluginCrashedError>(supervisor.call('raw-channel', method, args));
  expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true });
  expect(await supervisor.call('raw-channel', 'echo', ['again'])).toBe('again');
  expect(supervisor.status('raw-channel').pid).not.toBe(pid);
  return error;
}

describe('F13 what a plugin prints, by whatever way, is a log, and no call hears of it', () => {
  const LINES = 10_000;

  test.each(LOADS)('%s', async (load) => {
    const watched = await raw();
    const { supervisor, logs } = watched;
    const check = await Invariants.begin(watched, load);
    const ways = { console: 'log', writeSync: 'stdout', stderr: 'stderr', grandchild: 'stdout' } as const;
    const printing = Promise.all(Object.keys(ways).map((how) => supervisor.call('raw-channel', 'print', [how, LINES])));
    for (let i = 0; i < 200; i++) expect(await supervisor.call('raw-channel', 'echo', [i])).toBe(i);
    await printing;
    const { pid } = supervisor.status('raw-channel');
    for (const [how, stream] of Object.entries(ways)) {
      const said = (): string[] => logs.filter(({ message }) => message.startsWith(`${how} `)).map(({ message }) => message);
      await until(`all lines of ${how}`, () => said().length >= LINES);
      expect(said()).toEqual(Array.from({ length: LINES }, (_, i) => `${how} ${i}`));
      expect(logs.find(({ message }) => message === `${how} 0`)).toMatchObject({ plugin: 'raw-channel', version: '1.0.0', pid, stream });
    }
    await check.end({ faults: 0 });
  });
});

describe('F14 garbage ends its instance at its first bytes', () => {
  test.each([
    [1, 'idle'],
    [40, 'idle'],
    [4_096, 'under load'],
    [65_536, 'idle'],
    [8 * 2 ** 20, 'under load'],
  ] as const)('%d bytes, %s', async (size, load) => {
    const watched = await raw();
    const check = await Invariants.begin(watched, load);
    const error = await crash(watched, 'garbage', size);
    expect(error.exit).toMatchObject({
      cause: 'protocol-error',
      detail: expect.stringMatching(/^expected a Content-Length header, found /) as string,
    });
    expect(error.exit.detail!.length).toBeLessThan(400);
    await check.end({ faults: 1 });
  });

  test('and never holds up the event loop', async () => {
    const watched = await raw();
    const worst: number[] = [];
    for (let round = 0; round < 5; round++) {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      const fault = rejection(watched.supervisor.call('raw-channel', 'garbage', [8 * 2 ** 20]));
      delay.enable();
      await fault;
      delay.disable();
      worst.push(delay.max / 1e6);
      await watched.supervisor.call('raw-channel', 'echo', [1]);
    }
    // Whatever else runs on the machine only ever adds to a delay, so the best of the rounds is what we cost.
    expect(Math.min(...worst)).toBeLessThan(20);
  });
});

test('F15 each wrong length ends its instance for its own reason', async () => {
  const watched = await supervise.fixture('raw-channel', { ...patient, maxMessageBytes: 65_536 });
  const wrong: [string, string][] = [
    ['Content-Length: -5', 'Content-Length is no decimal number: "-5"'],
    ['Content-Length: 0', 'Content-Length is 0'],
    ['Content-Length: 5abc', 'Content-Length is no decimal number: "5abc"'],
    ['Content-Length: 0x10', 'Content-Length is no decimal number: "0x10"'],
    ['Content-Length: 1e3', 'Content-Length is no decimal number: "1e3"'],
    ['Content-Length: 5\r\nContent-Length: 5', 'Content-Length stands twice'],
    ['Content-Type: text/plain', 'Content-Length is missing'],
    [`Content-Length: ${10n ** 20n}`, 'Content-Length 100000000000000000000 is over the limit of 65536 bytes'],
    ['Content-Length: 65537', 'Content-Length 65537 is over the limit of 65536 bytes'],
  ];
  const check = await Invariants.begin(watched);
  for (const [header, detail] of wrong) {
    const { exit } = await crash(watched, 'bytes', `${header}\r\n\r\n{"a":1}`);
    expect(exit).toMatchObject({ cause: 'protocol-error', detail });
  }
  await check.end({ faults: wrong.length });
});

test('F16 a frame that stops half-way ends its instance at the stall limit of 5 s', async () => {
  // Answers to pings would fill the frame up, and so end its instance as well, only sooner.
  const watched = await supervise.fixture('raw-channel', { ...patient, liveness: { intervalMs: 60_000 } });
  const check = await Invariants.begin(watched);
  const begun = performance.now();
  const { exit } = await crash(watched, 'bytes', 'Content-Length: 100\r\n\r\n{"half":');
  expect(exit).toMatchObject({ cause: 'protocol-error', detail: 'a frame stopped half-way for 5000 ms' });
  expect(performance.now() - begun).toBeLessThan(6_000);
  expect(performance.now() - begun).toBeGreaterThan(4_900);
  await check.end({ faults: 1 });
});

test('F18 frames that are no JSON, or far too much of it, are refused or read', async () => {
  const watched = await raw();
  const frame = (body: string): string => `Content-Length: ${body.length}\r\n\r\n${body}`;
  const check = await Invariants.begin(watched);
  for (const body of ['{bad}', '\xff\xfe']) {
    expect((await crash(watched, 'bytes', frame(body))).exit).toMatchObject({
      cause: 'protocol-error',
      detail: expect.stringMatching(/^a frame is not JSON/) as string,
    });
  }
  for (const body of ['5', 'null', '[]']) {
    expect((await crash(watched, 'bytes', frame(body))).exit).toMatchObject({ cause: 'protocol-error', detail: 'a frame is not a JSON-RPC message' });
  }
  const answer = (result: string): string => `{"jsonrpc":"2.0","id":$id,"result":${result}}`;
  const { supervisor } = watched;
  const say = (result: string): Promise<unknown> => supervisor.call('raw-channel', 'say', [[answer(result)]]);
  expect(await say('"\\ud800\xff"')).toBe('\ud800\xff');
  let depth = 0;
  for (let value = await say(`${'['.repeat(100_000)}${']'.repeat(100_000)}`); Array.isArray(value); value = value[0]) depth++;
  expect(depth).toBe(100_000);
  await check.end({ faults: 5 });
  // To parse so many takes its time: that is what maxMessageBytes is for.
  const keys = Array.from({ length: 1_000_000 }, (_, i) => `"${i}":0`).join();
  const many = (await say(`{${keys}}`)) as object;
  expect(Object.keys(many)).toHaveLength(1_000_000);
});

describe('F19 of several answers the first is believed, and the rest counted', () => {
  const OWN = { kind: 'stray-answer', plugin: 'raw-channel', reason: expect.stringMatching(/^an answer to \d+, which is not open$/) as string };

  test.each<[string, string[], unknown, number]>([
    ['answered twice', ['{"jsonrpc":"2.0","id":$id,"result":"raw"}'], 'raw', 1],
    ['answered three times', ['{"jsonrpc":"2.0","id":$id,"result":"raw"}', '{"jsonrpc":"2.0","id":$id,"result":2}'], 'raw', 2],
    ['answered for another', ['{"jsonrpc":"2.0","id":1,"result":1}', '{"jsonrpc":"2.0","id":4294967296,"result":1}'], 'own answer', 2],
    [
      'answered for ids of other types',
      ['"$id"', 'null', '[$id]', '{}', 'true'].map((id) => `{"jsonrpc":"2.0","id":${id},"result":1}`),
      'own answer',
      5,
    ],
  ])('%s', async (_, bodies, result, strays) => {
    const watched = await raw();
    const check = await Invariants.begin(watched);
    expect(await watched.supervisor.call('raw-channel', 'say', [bodies])).toBe(result);
    await check.end({ faults: strays, kinds: ['stray-answer'] });
    for (const event of check.events('stray-answer'))
      expect(event).toMatchObject({ ...OWN, reason: expect.stringMatching(/which is not open$/) as string });
    expect(check.events('instance-crashed')).toEqual([]);
  });

  test('answered with neither result nor error, the call is ERR_PROTOCOL and its instance is kept', async () => {
    const watched = await raw();
    const check = await Invariants.begin(watched);
    const error = await rejection<ProtocolError>(watched.supervisor.call('raw-channel', 'say', [['{"jsonrpc":"2.0","id":$id}']]));
    expect(error).toMatchObject({ code: 'ERR_PROTOCOL', reason: 'its answer has neither result nor error', plugin: 'raw-channel', method: 'say' });
    await check.end({ faults: 1, kinds: ['stray-answer'] });
  });

  test('answered with both, the error wins', async () => {
    const watched = await raw();
    const both = '{"jsonrpc":"2.0","id":$id,"result":1,"error":{"code":-32000,"message":"both"}}';
    const error = await rejection(watched.supervisor.call('raw-channel', 'say', [[both]]));
    expect(error).toMatchObject({ code: 'ERR_PLUGIN_THREW', remote: { message: 'both' } });
    await until('both strays', () => watched.events.filter(({ kind }) => kind === 'stray-answer').length === 2);
  });
});

test.each(LOADS)('F21 a child that closes its channel but lives is a crash at once, and killed, %s', async (load) => {
  const watched = await raw();
  const { supervisor } = watched;
  const check = await Invariants.begin(watched, load);
  const closed: number[] = [];
  const killed: number[] = [];
  const longer = (): number => Math.min(...closed) - Math.min(...killed);
  // What a plain death takes to be noticed is the machine's, and others run on it: the best of some rounds is ours.
  for (let round = 0; round < 3 || (longer() >= 100 && round < 15); round++) {
    let begun = performance.now();
    const { exit } = await rejection<PluginCrashedError>(supervisor.call('raw-channel', 'closeChannel'));
    closed.push(performance.now() - begun);
    expect(exit).toMatchObject({ cause: 'channel-closed', detail: 'it closed its channel and lived on', signal: 'SIGKILL' });
    await supervisor.call('raw-channel', 'echo', [1]);
    const running = rejection(supervisor.call('raw-channel', 'bytes', ['']));
    begun = performance.now();
    process.kill(supervisor.status('raw-channel').pid!, 'SIGKILL');
    await running;
    killed.push(performance.now() - begun);
    await supervisor.call('raw-channel', 'echo', [1]);
  }
  expect(longer()).toBeLessThan(100);
  await check.end({ faults: closed.length + killed.length });
});

describe('F22 a kill amid a thousand calls', () => {
  test.each([0, 1, 3, 10, 30])('after %d ms of them: no broken pipe is heard of, and every call settles once', async (afterMs) => {
    const ledger = await Ledger.begin(supervise, 'ledger', { ...patient, concurrency: 1_000, maxQueue: 2_000 });
    const check = await Invariants.begin(ledger.watched);
    const { pid } = ledger.watched.supervisor.status('ledger');
    const calls = ledger.calls(1_000, 'once', 5);
    const due = performance.now() + afterMs;
    await until('the moment', () => performance.now() >= due);
    process.kill(pid!, 'SIGKILL');
    await calls;
    const settled = await ledger.verify();
    expect(settled).toHaveLength(1_000);
    for (const { error } of settled.filter((call) => call.error !== null))
      expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true, exit: { signal: 'SIGKILL' } });
    await check.end({ faults: 1 });
  });

  test('those that were never written are sent to the next instance, and only the others are lost', async () => {
    const watched = await supervise.fixture('raw-channel', { ...patient, concurrency: 1_000, maxQueue: 2_000 });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched);
    const { pid } = supervisor.status('raw-channel');
    // It reads no more, so that most of 16 MiB cannot leave us.
    process.kill(pid!, 'SIGSTOP');
    const calls = Array.from({ length: 1_000 }, (_, i) => supervisor.call('raw-channel', 'echo', [`${i}`.padEnd(16_384)], { timeoutMs: 20_000 }));
    const outcomes = Promise.allSettled(calls);
    await until('they are under way', () => supervisor.status('raw-channel').inFlight === 1_000);
    const written = performance.now() + 100;
    await until('the pipe is full', () => performance.now() > written);
    process.kill(pid!, 'SIGKILL');
    const results = await outcomes;
    const lost = results.filter((result) => result.status === 'rejected');
    for (const { reason } of lost) expect(reason).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true });
    // About a mebibyte is handed to the pipe at a time.
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(200);
    results.forEach((result, i) => result.status === 'fulfilled' && expect(result.value).toBe(`${i}`.padEnd(16_384)));
    await check.end({ faults: 1 });
  });
});
