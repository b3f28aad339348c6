/**
 * A short text can hold millions of values, which take fifty times its size. Real children answer so, to a supervisor with a small heap
 * in a process of its own.
 */
import { execFile } from 'node:child_process';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const MiB = 2 ** 20;
const HEAP_MIB = 256;
const SECONDS = 120_000;

const PLUGIN = `
import { writeSync } from 'node:fs';

const SIZE = 8 * 2 ** 20;
const EACH = {
  objects: '{},', arrays: '[],', numbers: '1.5,', strings: '"ab",', nested: '[[1]],', repeated: '{"a":1,"a":2},', keys: '{"k$":0},',
};
const dense = (kind) => {
  const each = EACH[kind];
  const most = kind === 'keys' ? 1_200_000 : Math.floor(SIZE / each.length);
  return '[' + (kind === 'keys' ? Array.from({ length: most }, (_, i) => each.replace('$', i.toString(36))).join('') : each.repeat(most)) + '0]';
};

// A child that writes to its channel itself.
function say(text) {
  const bytes = Buffer.from('Content-Length: ' + Buffer.byteLength(text) + '\\r\\n\\r\\n' + text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(3, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

export default { methods: {
  echo: (value) => value,
  byRunner: () => new Array(2_500_000).fill({}),
  first(kind) { say('{"jsonrpc":"2.0","id":' + this.id + ',"result":' + dense(kind) + '}'); return new Promise(() => {}); },
  last(kind) { say('{"jsonrpc":"2.0","result":' + dense(kind) + ',"id":' + this.id + '}'); return new Promise(() => {}); },
  error(kind) { say('{"jsonrpc":"2.0","id":' + this.id + ',"error":{"code":1,"message":"no","data":' + dense(kind) + '}}'); return new Promise(() => {}); },
  log(kind) { say('{"jsonrpc":"2.0","method":"$/log","params":{"level":"info","message":"m","fields":' + dense(kind) + '}}'); return 'logged'; },
  records: (bytes) => Array.from({ length: bytes / 64 }, (_, id) => ({ id, name: 'a record of sixty-four bytes, in all', ok: true })),
} };
`;

async function densePlugin(name = 'dense'): Promise<string> {
  return putFiles(join(await supervise.tempDir(), name), {
    'package.json': JSON.stringify({ name, version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': PLUGIN,
  });
}

interface Outcome {
  codes: Record<string, number>;
  restarts: number;
  alive: unknown[];
  /** After a collection. */
  heapMiB: number;
}

/** Makes all calls at once, each of a plugin, in a process of its own. `calls` are those of each plugin. */
async function inSmallHeap(dirs: string[], calls: [method: string, kind: string][]): Promise<Outcome> {
  const program = `
    import { createSupervisor } from ${JSON.stringify(pathToFileURL(resolve('dist/src/index.js')).href)};
    const quiet = { debug() {}, info() {}, warn() {}, error() {} };
    const supervisor = await createSupervisor({ logger: quiet, defaults: { callTimeoutMs: 100_000, liveness: { intervalMs: 1_000, timeoutMs: 60_000 } } });
    const names = ${JSON.stringify(dirs.map((dir) => basename(dir)))};
    for (const dir of ${JSON.stringify(dirs)}) await supervisor.load(dir);
    const codes = {};
    const count = (code) => (codes[code] = (codes[code] ?? 0) + 1);
    const calls = names.flatMap((name) => ${JSON.stringify(calls)}.map(([method, kind]) => supervisor.call(name, method, [kind])));
    await Promise.all(calls.map((call) => call.then(() => count('answered'), (error) => count(error.code))));
    const alive = [];
    for (const name of names) alive.push(await supervisor.call(name, 'echo', ['well']));
    gc();
    const heapMiB = process.memoryUsage().heapUsed / 2 ** 20;
    const restarts = names.reduce((sum, name) => sum + supervisor.status(name).restarts, 0);
    await supervisor.close({ drainTimeoutMs: 0 });
    console.log(JSON.stringify({ codes, restarts, alive, heapMiB }));`;
  const flags = [`--max-old-space-size=${HEAP_MIB}`, '--expose-gc', '--input-type=module', '-e', program];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: SECONDS });
  return JSON.parse(stdout) as Outcome;
}

const times = (count: number, method: string, kind = 'objects'): [string, string][] => Array.from({ length: count }, () => [method, kind]);

test(
  'twenty answers of millions of empty objects at once fail as too large, and the supervisor and the child live on',
  async () => {
    const calls = [...times(12, 'first'), ...times(4, 'last'), ...times(4, 'byRunner')];
    const { codes, restarts, alive, heapMiB } = await inSmallHeap([await densePlugin()], calls);
    expect(codes).toEqual({ ERR_PAYLOAD_TOO_LARGE: 20 });
    expect(restarts).toBe(0);
    expect(alive).toEqual(['well']);
    expect(heapMiB).toBeLessThan(48);
  },
  SECONDS,
);

test(
  'a small heap bears every kind of small value, in results, in the data of errors and in the fields of log records',
  async () => {
    const kinds = ['arrays', 'numbers', 'strings', 'nested', 'repeated', 'keys'];
    const calls = [...kinds.flatMap((kind) => times(1, 'first', kind)), ...times(1, 'error', 'strings'), ...times(2, 'log')];
    const { codes, restarts, heapMiB } = await inSmallHeap([await densePlugin()], calls);
    expect(codes).toEqual({ ERR_PAYLOAD_TOO_LARGE: kinds.length + 1, answered: 2 });
    expect(restarts).toBe(0);
    expect(heapMiB).toBeLessThan(48);
  },
  SECONDS,
);

test(
  'eight plugins that answer so at the same time are parsed together in no more memory than a few',
  async () => {
    const names = Array.from({ length: 8 }, (_, i) => `dense-${i}`);
    const { codes, restarts, alive } = await inSmallHeap(await Promise.all(names.map(densePlugin)), times(1, 'first'));
    expect(codes).toEqual({ ERR_PAYLOAD_TOO_LARGE: 8 });
    expect(restarts).toBe(0);
    expect(alive).toEqual(names.map(() => 'well'));
  },
  SECONDS,
);

test('an honest answer of 8 MiB of records is none of these, and the option decides', async () => {
  const { supervisor } = await supervise({ plugins: { strict: { maxMessageValues: 65_536 } } });
  await supervisor.load(await densePlugin());
  await supervisor.load(await densePlugin('strict'));
  const count = (8 * MiB) / 64;
  const records = await supervisor.call('dense', 'records', [8 * MiB]);
  expect(records).toHaveLength(count);
  expect((records as unknown[]).at(-1)).toEqual({ id: count - 1, name: 'a record of sixty-four bytes, in all', ok: true });
  const error = await rejection(supervisor.call('strict', 'records', [8 * MiB]));
  // The message, its version and id, the list, and four for each record.
  expect(error).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE', path: 'result', values: 4 + 4 * count, limit: 65_536, retryable: false });
  expect(error.message).toContain(`hold ${4 + 4 * count} values, maxMessageValues allows 65536`);
  expect(await supervisor.call('strict', 'echo', [1])).toBe(1);
  expect(supervisor.status('strict').restarts).toBe(0);
});
