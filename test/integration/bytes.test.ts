/** `Uint8Array` and `Buffer`, there and back through a real child: as what they were, and as JSON has them where the child knows no better. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { putFiles } from '../helpers/put-plugin.ts';
import { Random } from '../helpers/random.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const MIB = 2 ** 20;

const METHODS = `export default { methods: {
  echo: (...args) => args,
  kinds: (...args) => args.map((arg) => [Buffer.isBuffer(arg), arg instanceof Uint8Array, arg?.length ?? null]),
  make: (size) => Buffer.alloc(size, 'x'),
  reused: () => { shared.fill(++round); return shared; },
  throws: () => { throw Object.assign(new Error('no'), { data: { bytes: Buffer.from([1]) } }); },
  async dies(bytes) { if (process.env.CHAMELEON_FAILS) return bytes; process.exit(7); },
} };
const shared = new Uint8Array(200_000);
let round = 0;
`;

async function bytes(options: object = {}): Promise<Watched> {
  const watched = await supervise({ defaults: options });
  const dir = await putFiles(join(await supervise.tempDir(), 'bytes'), {
    'package.json': JSON.stringify({ name: 'bytes', version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': METHODS,
  });
  await watched.supervisor.load(dir);
  return watched;
}

describe('a plugin of Node', () => {
  test('gets and gives bytes as what they were, wherever they are', async () => {
    const { supervisor } = await bytes();
    const args = [Buffer.from('größer'), { a: [new Uint8Array([0, 255]), null, 'x'], at: 1 }, new Uint8Array(), null];
    expect(await supervisor.call('bytes', 'echo', args)).toStrictEqual(args);
    expect(await supervisor.call('bytes', 'kinds', [Buffer.from('ab'), new Uint8Array(3), null])).toEqual([
      [true, true, 2],
      [false, true, 3],
      [false, false, null],
    ]);
  });

  test('gets and gives megabytes of them, among calls that have none', async () => {
    const { supervisor } = await bytes({ maxMessageBytes: 9 * MIB });
    const sizes = [8 * MIB, 1, 70_000, MIB, 0, 300_000];
    const made = await Promise.all(
      sizes.map(async (size, i) => {
        expect(await supervisor.call('bytes', 'echo', [i, 'plain'])).toEqual([i, 'plain']);
        return (await supervisor.call('bytes', 'make', [size])) as Buffer;
      }),
    );
    expect(made.map((each) => [Buffer.isBuffer(each), each.length, each.every((byte) => byte === 120)])).toEqual(
      sizes.map((size) => [true, size, true]),
    );
    const sent = Buffer.alloc(8 * MIB, 'abc');
    const [back] = (await supervisor.call('bytes', 'echo', [sent])) as [Buffer];
    expect(back.equals(sent)).toBe(true);
  });

  test('may use the same memory for each result, and the caller for each argument', async () => {
    const { supervisor } = await bytes();
    const results = (await Promise.all(Array.from({ length: 20 }, () => supervisor.call('bytes', 'reused')))) as Uint8Array[];
    expect(results.map((each) => [each[0], each.at(-1)])).toEqual(Array.from({ length: 20 }, (_, i) => [i + 1, i + 1]));
    const mine = new Uint8Array([1]);
    const call = supervisor.call('bytes', 'echo', [mine]);
    mine[0] = 2;
    expect(await call).toEqual([new Uint8Array([1])]);
  });

  test('is given what it was meant to, and gives it back, though memory is used again and some calls are given up half-way', async () => {
    const { supervisor } = await bytes();
    const random = new Random();
    const outcome = async (i: number, isGivenUp: boolean): Promise<string> => {
      const filled = Buffer.alloc(random.pick([10, 5_000, 70_000, random.below(300_000)]), i + 1);
      const text = `${i} `.repeat(random.pick([1, 4_000, 60_000]));
      const call = supervisor.call('bytes', 'echo', [filled, text], isGivenUp ? { signal: AbortSignal.timeout(random.between(1, 20)) } : {});
      filled.fill(0);
      try {
        const [back, same] = (await call) as [Buffer, string];
        return back.length === filled.length && back.every((byte) => byte === (i + 1) % 256) && same === text ? 'its own' : 'another';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const unequal: unknown[] = [];
    const caller = async (first: number): Promise<void> => {
      for (let i = first; i < first + 20; i++) {
        const isGivenUp = i % 10 === 0;
        const got = await outcome(i, isGivenUp);
        if (got !== 'its own' && !(isGivenUp && got === 'ERR_CALL_CANCELLED')) unequal.push({ i, got });
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, n) => caller(20 * n)));
    expect(unequal, `seed ${random.seed}`).toEqual([]);
  });

  test('throws errors whose data is JSON', async () => {
    const { supervisor } = await bytes();
    expect(await rejection(supervisor.call('bytes', 'throws'))).toMatchObject({ remote: { data: { bytes: { type: 'Buffer', data: [1] } } } });
  });

  test('is held to the limits of messages, both ways', async () => {
    const { supervisor } = await bytes({ maxMessageBytes: MIB, maxQueueBytes: 4 * MIB, concurrency: 1 });
    expect(await rejection(supervisor.call('bytes', 'echo', [Buffer.alloc(MIB)]))).toMatchObject({
      code: 'ERR_PAYLOAD_TOO_LARGE',
      path: 'arguments',
    });
    expect(await rejection(supervisor.call('bytes', 'make', [MIB]))).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE', path: 'result' });
    const most = await Promise.allSettled(Array.from({ length: 8 }, () => supervisor.call('bytes', 'echo', [Buffer.alloc(MIB - 1_000)])));
    const refused = most.filter((each) => each.status === 'rejected').map(({ reason }) => reason as { code: string });
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['ERR_QUEUE_FULL']));
  });

  test('is not sent again what took it down, and gets other bytes', async () => {
    const restart = { maxRestarts: 1_000, backoffMs: 1, maxBackoffMs: 1 };
    const { supervisor } = await bytes({ breaker: { enabled: false }, poisonAfter: 2, restart });
    const codes: string[] = [];
    for (let i = 0; i < 3; i++) codes.push((await rejection(supervisor.call('bytes', 'dies', [Buffer.from([1])]))).code);
    codes.push((await rejection(supervisor.call('bytes', 'dies', [Buffer.from([2])]))).code);
    codes.push((await rejection(supervisor.call('bytes', 'dies', [new Uint8Array([1])]))).code);
    expect(codes).toEqual(['ERR_PLUGIN_CRASHED', 'ERR_PLUGIN_CRASHED', 'ERR_CALL_POISONED', 'ERR_PLUGIN_CRASHED', 'ERR_PLUGIN_CRASHED']);
  });

  test('retried, gets the same bytes again', async () => {
    const watched = await supervise({
      defaults: { breaker: { enabled: false }, retry: { attempts: 5, backoffMs: 1, maxBackoffMs: 1, budgetRatio: 100 } },
    });
    const dir = await putFiles(join(await supervise.tempDir(), 'second'), {
      'package.json': JSON.stringify({ name: 'second', version: '1.0.0', main: 'index.js', chameleon: { methods: { echo: { idempotent: true } } } }),
      'index.js': `module.exports = { methods: { echo(bytes) { if (this.attempt < 3) process.exit(7); return bytes; } } };`,
    });
    await watched.supervisor.load(dir);
    expect(await watched.supervisor.call('second', 'echo', [Buffer.from('again')])).toStrictEqual(Buffer.from('again'));
  });
});

const text = readFileSync(resolve(import.meta.dirname, '../../docs/protocol.md'), 'utf8');
const python = /^```python\n([^]*?)^```$/m.exec(text)![1]!;

// The plugin of the document is in Python, which not every machine has.
test.runIf(spawnSync('python3', ['--version']).status === 0)(
  'a plugin that does not offer it gets bytes as JSON has them, within the limit',
  async () => {
    const { supervisor } = await supervise({ defaults: { maxMessageBytes: MIB } });
    const dir = await putFiles(join(await supervise.tempDir(), 'shout'), {
      'package.json': JSON.stringify({ name: 'shout', version: '1.0.0', chameleon: { command: ['python3', 'main.py'] } }),
      'main.py': python.replace('methods = {', 'methods = {"same": lambda *all: list(all), '),
    });
    await supervisor.load(dir);
    expect(await supervisor.call('shout', 'same', [Buffer.from([1, 2]), { a: new Uint8Array([3]) }, 'x'])).toEqual([
      { type: 'Buffer', data: [1, 2] },
      { a: { '0': 3 } },
      'x',
    ]);
    const large = supervisor.call('shout', 'same', [Buffer.alloc(700_000)]);
    expect(await rejection(large)).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE', path: 'arguments' });
    expect(await supervisor.call('shout', 'shout', ['on'])).toBe('ON!');
  },
);
