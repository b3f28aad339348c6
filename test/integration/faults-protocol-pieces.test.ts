/** Faults F16 and F17: frames that come in pieces, and one whose last piece never comes. */
import { expect } from 'vitest';
import type { PluginCrashedError } from '../../src/index.ts';
import type { Random } from '../helpers/random.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

rounds('F16 a frame that stops half-way ends its instance at the stall limit of 5 s', async ({ begin, random }) => {
  // Answers to pings would fill the frame up, and so end its instance as well, only sooner.
  const watched = await supervise.fixture('raw-channel', { liveness: { intervalMs: 60_000 } });
  const { supervisor } = watched;
  const check = await begin(watched);
  const frame = 'Content-Length: 100\r\n\r\n{"half":';
  const half = frame.slice(0, random.between(1, frame.length));
  const begun = performance.now();
  const { exit } = await rejection<PluginCrashedError>(supervisor.call('raw-channel', 'bytes', [half]));
  const tookMs = performance.now() - begun;
  expect(exit).toMatchObject({ cause: 'protocol-error', detail: expect.stringMatching(/^a frame stopped half-way for 5000 ms: /) as string });
  expect(tookMs).toBeGreaterThan(4_900);
  expect(tookMs).toBeLessThan(6_000);
  expect(await supervisor.call('raw-channel', 'echo', ['again'])).toBe('again');
  await check.end({ faults: 1 });
});

const RECORDS = ['plain', 'größer', '世界', '👋🏽 \\u2028', 'Content-Length: 5\\r\\n\\r\\n'];

/** Log records, each of its own number, and last the answer to the call. */
function bodiesOf(random: Random, count: number): string[] {
  const log = (i: number): string => `{"jsonrpc":"2.0","method":"$/log","params":{"level":"info","message":"${i} ${random.pick(RECORDS)}"}}`;
  return [...Array.from({ length: count }, (_, i) => log(i)), '{"jsonrpc":"2.0","id":$id,"result":"raw"}'];
}

rounds(
  'F17 frames that come a byte at a time, all at once, or cut within headers and characters are all delivered, in order',
  async ({ begin, random }) => {
    const watched = await supervise.fixture('raw-channel', { liveness: { timeoutMs: 20_000 } });
    const { supervisor, logs } = watched;
    const check = await begin(watched);
    const cuts = (bodies: string[], count: number): number[] => {
      const bytes = Buffer.byteLength(bodies.join(''));
      return Array.from({ length: count }, () => random.below(bytes)).toSorted((a, b) => a - b);
    };
    let strays = 0;
    for (const count of [1, random.between(2, 5), 100, random.between(20, 60)]) {
      const bodies = bodiesOf(random, count);
      const everyByte = Array.from({ length: Buffer.byteLength(bodies.join('')) }, (_, i) => i + 1);
      const places = count === 1 ? everyByte : count === 100 ? [] : cuts(bodies, random.between(20, 100));
      const before = logs.length;
      expect(await supervisor.call('raw-channel', 'pieces', [bodies, places])).toBe('raw');
      strays++;
      const messages = bodies.slice(0, -1).map((body) => (JSON.parse(body) as { params: { message: string } }).params.message);
      expect(logs.slice(before, before + count).map(({ message }) => message)).toEqual(messages);
    }
    // The runner's own answer to each comes after the raw one.
    await check.end({ faults: strays, kinds: ['stray-answer'] });
  },
);
