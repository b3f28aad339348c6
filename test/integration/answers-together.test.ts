/** What children send at one time is bounded for all of them together. One that sends slowly holds what has come of its answer. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PayloadTooLargeError } from '../../src/index.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const MiB = 2 ** 20;

const PLUGIN = `
import { writeFileSync, writeSync } from 'node:fs';

function write(text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(3, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

let missing = 0;
let timer;

export default { methods: {
  echo: (value) => value,
  text: (length) => 'x'.repeat(length),
  bytes: (length) => new Uint8Array(length),
  // Writes to the channel itself: an answer of which all has come but the last thousands, and of those one at a time.
  begin(length) {
    const head = '{"jsonrpc":"2.0","id":' + this.id + ',"result":"';
    missing = 100_000;
    write('Content-Length: ' + (head.length + length + 2) + '\\r\\n\\r\\n' + head + 'x'.repeat(length - missing));
    writeFileSync(new URL('begun', import.meta.url), '');
    timer = setInterval(() => { missing--; write('x'); }, 100);
    return new Promise(() => {});
  },
  finish() { clearInterval(timer); write('x'.repeat(missing) + '"}'); },
} };
`;

async function plugin(name: string): Promise<string> {
  return putFiles(join(await supervise.tempDir(), name), {
    'package.json': JSON.stringify({ name, version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': PLUGIN,
  });
}

// An answer to a ping would stand in the middle of the answer that is written by hand.
const defaults = { liveness: { intervalMs: 60_000, timeoutMs: 60_000 } };

/** Supervises a plugin of each name. `begin` resolves once nearly all of the answer has come; the call goes on. */
async function start(maxTotalAnswerBytes: number, ...names: string[]) {
  const { supervisor } = await supervise({ maxTotalAnswerBytes, defaults });
  const dirs = new Map<string, string>();
  for (const name of names) {
    dirs.set(name, await plugin(name));
    await supervisor.load(dirs.get(name)!);
  }
  const begin = async (name: string, length: number): Promise<{ answer: Promise<unknown> }> => {
    const answer = supervisor.call(name, 'begin', [length]);
    answer.catch(() => {});
    await until('it has begun', () => existsSync(join(dirs.get(name)!, 'begun')));
    return { answer };
  };
  const text = (length: number): Promise<unknown> => supervisor.call('honest', 'text', [length]);
  return { supervisor, begin, text };
}

test('an answer for which other plugins leave no room fails its call alone, one that has room is answered, and so are all under a new bound', async () => {
  const { supervisor, begin, text } = await start(8 * MiB, 'slow', 'slower', 'honest');
  const slow = await begin('slow', 3 * MiB);
  const slower = await begin('slower', 2 * MiB);

  // Of 8 MiB the others hold 5, and half of the rest is the most that it may hold.
  const error = await rejection<PayloadTooLargeError>(text(2 * MiB));
  expect(error).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE', path: 'result', bound: 'maxTotalAnswerBytes', limit: 8 * MiB });
  expect(error.bytes).toBeGreaterThan(2 * MiB);
  expect(error.message).toContain('raise the limit');
  expect(await text(MiB)).toHaveLength(MiB);
  expect(await rejection(supervisor.call('honest', 'bytes', [2 * MiB]))).toMatchObject({ bound: 'maxTotalAnswerBytes' });
  expect(await supervisor.call('honest', 'bytes', [MiB])).toHaveLength(MiB);
  expect(await supervisor.call('honest', 'echo', ['small'])).toBe('small');

  await supervisor.reconfigure({ maxTotalAnswerBytes: 64 * MiB, defaults });
  expect(await text(2 * MiB)).toHaveLength(2 * MiB);

  await Promise.all([supervisor.call('slow', 'finish'), supervisor.call('slower', 'finish')]);
  expect(await slow.answer).toBe('x'.repeat(3 * MiB));
  expect(await slower.answer).toBe('x'.repeat(2 * MiB));
  expect(await text(3 * MiB)).toHaveLength(3 * MiB);
  for (const { restarts } of supervisor.status().plugins) expect(restarts).toBe(0);
});

test('an answer may exceed the bound while no other plugin is sending, and a child that ends leaves its room', async () => {
  const { supervisor, begin, text } = await start(2 * MiB, 'slow', 'honest');
  expect(await text(8 * MiB)).toHaveLength(8 * MiB);
  const slow = await begin('slow', 4 * MiB);
  expect(await rejection(text(200_000))).toMatchObject({ bound: 'maxTotalAnswerBytes' });
  process.kill(supervisor.status('slow').pid!, 'SIGKILL');
  expect(await rejection(slow.answer)).toMatchObject({ code: 'ERR_PLUGIN_CRASHED' });
  expect(await text(8 * MiB)).toHaveLength(8 * MiB);
});
