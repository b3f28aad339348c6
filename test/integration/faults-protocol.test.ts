/** Faults F13 to F15, F18 and F19: a plugin that writes what it should not behind the runner's back. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect } from 'vitest';
import type { PluginCrashedError, PluginOptions, ProtocolError } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
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

rounds('F13 what a plugin prints, by whatever way, is a log, and no call hears of it', async ({ begin, random }) => {
  const LINES = 10_000;
  const watched = await raw();
  const { supervisor, logs } = watched;
  const check = await begin(watched);
  const ways = { console: 'log', writeSync: 'stdout', stderr: 'stderr', grandchild: 'stdout' } as const;
  const calls = random.between(100, 300);
  const printing = Promise.all(random.shuffled(Object.keys(ways)).map((how) => supervisor.call('raw-channel', 'print', [how, LINES])));
  for (let i = 0; i < calls; i++) expect(await supervisor.call('raw-channel', 'echo', [i])).toBe(i);
  await printing;
  const { pid } = supervisor.status('raw-channel');
  await until('all lines', () => logs.length >= LINES * Object.keys(ways).length);
  await check.end({ faults: 0 });
  // Only now: to compare so many lines holds the event loop that the check watches.
  for (const [how, stream] of Object.entries(ways)) {
    const said = logs.filter(({ message }) => message.startsWith(`${how} `)).map(({ message }) => message);
    expect(said).toEqual(Array.from({ length: LINES }, (_, i) => `${how} ${i}`));
    expect(logs.find(({ message }) => message === `${how} 0`)).toMatchObject({ plugin: 'raw-channel', version: '1.0.0', pid, stream });
  }
});

rounds('F14 garbage, a byte of it or 8 MiB, ends its instance at its first bytes, and never holds up the event loop', async ({ begin, random }) => {
  const ALL = 8 * 2 ** 20;
  const watched = await raw();
  const check = await begin(watched);
  const sizes = random.shuffled([1, 40, 4_096, 65_536, ALL, random.between(1, 10), random.between(4_097, 2 ** 20)]);
  const worst: number[] = [];
  let faults = 0;
  const spoil = async (size: number): Promise<void> => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const { exit } = await crash(watched, 'garbage', size, random.below(2 ** 31));
    delay.disable();
    faults++;
    if (size === ALL) worst.push(delay.max / 1e6);
    expect(exit).toMatchObject({
      cause: 'protocol-error',
      detail: expect.stringMatching(/^expected a Content-Length header, found /) as string,
    });
    expect(exit.detail!.length).toBeLessThan(400);
  };
  for (const size of sizes) await spoil(size);
  // Whatever else runs on the machine only ever adds to a delay, so the best of some tries is what we cost.
  while (Math.min(...worst) >= 20 && worst.length < 10) await spoil(ALL);
  expect(Math.min(...worst)).toBeLessThan(20);
  await check.end({ faults });
});

rounds('F15 each wrong length ends its instance for its own reason', async ({ begin, random }) => {
  const maxMessageBytes = random.between(10_000, 65_536);
  const watched = await supervise.fixture('raw-channel', { ...patient, maxMessageBytes });
  const huge = `1${'0'.repeat(random.between(20, 300))}`;
  const wrong: [string, string][] = [
    ['Content-Length: -5', 'Content-Length is no decimal number: "-5"'],
    ['Content-Length: 0', 'Content-Length is 0'],
    ['Content-Length: 5abc', 'Content-Length is no decimal number: "5abc"'],
    ['Content-Length: 0x10', 'Content-Length is no decimal number: "0x10"'],
    ['Content-Length: 1e3', 'Content-Length is no decimal number: "1e3"'],
    ['Content-Length: 5\r\nContent-Length: 5', 'Content-Length stands twice'],
    ['Content-Type: text/plain', 'Content-Length is missing'],
    [`Content-Length: ${10n ** 20n}`, `Content-Length 100000000000000000000 is over the limit of ${maxMessageBytes} bytes`],
    [`Content-Length: ${huge}`, expect.stringMatching(/^Content-Length 1(0+|e\+\d+) is over the limit/) as string],
    [`Content-Length: ${maxMessageBytes + 1}`, `Content-Length ${maxMessageBytes + 1} is over the limit of ${maxMessageBytes} bytes`],
  ];
  const check = await begin(watched);
  const before = process.memoryUsage().rss;
  for (const [header, detail] of random.shuffled(wrong)) {
    const { exit } = await crash(watched, 'bytes', `${header}\r\n\r\n{"a":1}`);
    expect(exit).toMatchObject({ cause: 'protocol-error', detail });
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
  await check.end({ faults: wrong.length });
});

const frame = (body: string): string => `Content-Length: ${body.length}\r\n\r\n${body}`;
const answer = (result: string): string => `{"jsonrpc":"2.0","id":$id,"result":${result}}`;

rounds('F18 frames that are no JSON are refused, lone surrogates and 10⁵ levels are read, and 10⁶ keys are either', async ({ begin, random }) => {
  const watched = await raw();
  const { supervisor } = watched;
  const say = (result: string): Promise<unknown> => supervisor.call('raw-channel', 'say', [[answer(result)]]);
  const check = await begin(watched);
  const noJson = ['{bad}', '\xff\xfe'].map((body) => [body, /^a frame is not JSON/] as const);
  const noMessage = ['5', 'null', '[]'].map((body) => [body, /^a frame is not a JSON-RPC message$/] as const);
  const bad = random.shuffled([...noJson, ...noMessage]);
  for (const [body, detail] of bad) {
    const { exit } = await crash(watched, 'bytes', frame(body));
    expect(exit).toMatchObject({ cause: 'protocol-error', detail: expect.stringMatching(detail) as string });
  }
  expect(await say('"\\ud800\xff"')).toBe('\ud800\xff');
  const levels = random.between(50_000, 100_000);
  let depth = 0;
  for (let value = await say(`${'['.repeat(levels)}${']'.repeat(levels)}`); Array.isArray(value); value = value[0]) depth++;
  expect(depth).toBe(levels);
  // So many keys are read, or they are refused; neither takes the supervisor's time.
  const keys = 1_000_000 + random.below(1_000);
  const many = await supervisor.call('raw-channel', 'members', [keys]).catch((error: PluginCrashedError) => error);
  if (many instanceof Error) expect(many).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { cause: 'protocol-error' } });
  else expect(Object.keys(many as object)).toHaveLength(keys);
  await check.end({ faults: bad.length + (many instanceof Error ? 1 : 0) });
});

rounds(
  'F19 of several answers the first is believed and the rest counted, an error wins, and neither fails that call alone',
  async ({ begin, random }) => {
    const watched = await raw();
    const { supervisor } = watched;
    const check = await begin(watched);
    const { pid } = supervisor.status('raw-channel');
    const other = random.between(2, 2 ** 31);
    const otherTypes = random.shuffled(['"$id"', 'null', '[$id]', '{}', 'true']);
    const cases: [string[], unknown, number][] = [
      [['{"jsonrpc":"2.0","id":$id,"result":"raw"}'], 'raw', 1],
      [['{"jsonrpc":"2.0","id":$id,"result":"raw"}', '{"jsonrpc":"2.0","id":$id,"result":2}'], 'raw', 2],
      [[`{"jsonrpc":"2.0","id":${other}.5,"result":1}`, '{"jsonrpc":"2.0","id":4294967296,"result":1}'], 'own answer', 2],
      [otherTypes.map((id) => `{"jsonrpc":"2.0","id":${id},"result":1}`), 'own answer', 5],
      [
        ['{"jsonrpc":"2.0","id":$id}'],
        expect.objectContaining({ code: 'ERR_PROTOCOL', reason: 'its answer has neither result nor error', plugin: 'raw-channel', method: 'say' }),
        1,
      ],
      [
        ['{"jsonrpc":"2.0","id":$id,"result":1,"error":{"code":-32000,"message":"both"}}'],
        expect.objectContaining({ code: 'ERR_PLUGIN_THREW', remote: expect.objectContaining({ message: 'both' }) as object }),
        2,
      ],
    ];
    let strays = 0;
    for (const [bodies, outcome, stray] of random.shuffled(cases)) {
      const settled: unknown = await supervisor.call('raw-channel', 'say', [bodies]).catch((error: ProtocolError) => error);
      expect(settled, bodies[0]).toEqual(outcome);
      strays += stray;
      await until('its strays', () => check.events('stray-answer').length >= strays);
      expect(check.events('stray-answer'), bodies[0]).toHaveLength(strays);
    }
    for (const event of check.events('stray-answer'))
      expect(event).toMatchObject({ plugin: 'raw-channel', reason: expect.stringMatching(/./) as string });
    expect(supervisor.status('raw-channel')).toMatchObject({ pid, restarts: 0 });
    expect(check.events('instance-crashed')).toEqual([]);
    await check.end({ faults: strays, kinds: ['stray-answer'] });
  },
);
