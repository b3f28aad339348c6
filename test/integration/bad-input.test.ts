/** Bad input at the library's door: each mistake has its typed error, and the supervisor and the other plugins go on. F29, F56. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  createSupervisor,
  type ManifestInvalidError,
  type NotSerializableError,
  type PayloadTooLargeError,
  type StartFailedError,
} from '../../src/index.ts';
import { putFiles, putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

describe('a plugin folder', () => {
  test('that is missing is a mistake in the options, with its path', async () => {
    const missing = join(await supervise.tempDir(), 'nowhere');
    const error = await rejection(createSupervisor({ pluginDir: missing }));
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', issues: [{ path: 'pluginDir' }] });
    expect(error.message).toContain(missing);
    expect(existsSync(missing)).toBe(false);
  });

  const manifest = (changed: object): string => JSON.stringify({ name: 'bad', version: '1.0.0', type: 'module', ...changed });
  const code = { 'index.js': 'export default { methods: { x() {} } };' };
  test.each<[string, Record<string, string>, string, RegExp]>([
    ['has no package.json', code, 'ERR_MANIFEST_INVALID', /bad.*(ENOENT|no such file|package\.json)/s],
    ['has a package.json that is no JSON', { ...code, 'package.json': '{ "name": "bad", }' }, 'ERR_MANIFEST_INVALID', /is not JSON/],
    ['has a version that is no semver', { ...code, 'package.json': manifest({ version: '1.0' }) }, 'ERR_MANIFEST_INVALID', /version: .*1\.0/],
    ['has another name than its manifest', { ...code, 'package.json': manifest({ name: 'good' }) }, 'ERR_MANIFEST_INVALID', /name: .*"bad".*"good"/],
    ['has no entry', { 'package.json': manifest({ main: 'gone.js' }) }, 'ERR_MANIFEST_INVALID', /main: .*gone\.js/],
  ])('of which one plugin %s: that is refused with file and reason, the others start', async (_what, files, expected, message) => {
    const folder = await supervise.tempDir();
    await putFiles(join(folder, 'bad'), files);
    await putFixture(folder, 'throws');
    const { supervisor, events } = await supervise({ pluginDir: folder });
    const { refused, plugins } = supervisor.status();
    expect(refused).toMatchObject([{ code: expected, message: expect.stringMatching(message) as string }]);
    expect(refused[0]!.path).toContain(join(folder, 'bad'));
    expect(plugins.map(({ name }) => name)).toEqual(['throws']);
    expect(await supervisor.call('throws', 'ok')).toBe('ok');
    expect(events.filter(({ kind }) => kind === 'plugin-refused')).toHaveLength(1);
    // The same folder, loaded by hand. It is taken by what its manifest says, whatever the folder is called.
    if (files['package.json']?.includes('"good"')) return;
    const error = await rejection<ManifestInvalidError>(supervisor.load(join(folder, 'bad')));
    expect(error).toMatchObject({ code: expected, message: expect.stringMatching(message) as string });
    expect(error.file).toContain(join(folder, 'bad'));
  });

  test('of which one entry throws: the error has the phase, the stack and a hint, the others start', async () => {
    const folder = await supervise.tempDir();
    const files = { 'package.json': manifest({}), 'index.js': 'throw new RangeError("out of luck");' };
    const dir = await putFiles(join(folder, 'bad'), files);
    await putFixture(folder, 'throws');
    const { supervisor } = await supervise({ pluginDir: folder, defaults: { restart: { maxRestarts: 0 } } });
    expect(supervisor.status('bad').versions[0]).toMatchObject({ state: 'failed', lastError: { code: 'ERR_START_FAILED' } });
    expect(await supervisor.call('throws', 'ok')).toBe('ok');
    await supervisor.unload('bad');
    const error = await rejection<StartFailedError>(supervisor.load(dir));
    expect(error).toMatchObject({ code: 'ERR_START_FAILED', plugin: 'bad', version: '1.0.0', phase: 'import' });
    expect(error.message).toContain('RangeError: out of luck');
    expect(error.hint.length).toBeGreaterThan(10);
  });
});

describe('arguments that JSON cannot carry', () => {
  const cycle: { list: unknown[] } = { list: [] };
  cycle.list.push(cycle);
  let deep: unknown = null;
  for (let level = 0; level < 100_000; level++) deep = [deep];

  test.each<[string, unknown, string]>([
    ['a BigInt', 10n, 'arguments[0]'],
    ['a BigInt inside', { price: { amount: 10n } }, 'arguments[0].price.amount'],
    ['a cycle', cycle, 'arguments[0].list[0]'],
    ['a function', () => {}, 'arguments[0]'],
    ['a function inside, which JSON would leave out', { on: { done() {} } }, 'arguments[0].on.done'],
    ['a symbol', Symbol('x'), 'arguments[0]'],
    ['a hundred thousand levels', deep, 'arguments[0]'],
    [
      'a getter that throws',
      {
        get x() {
          throw new Error('no');
        },
      },
      'arguments[0]',
    ],
  ])('%s is refused with its path, and nothing is sent', async (_what, value, path) => {
    const { supervisor } = await supervise.fixture('returns-odd');
    const { pid } = supervisor.status('returns-odd');
    const error = await rejection<NotSerializableError>(supervisor.call('returns-odd', 'echo', [value]));
    expect(error).toMatchObject({ code: 'ERR_NOT_SERIALIZABLE', plugin: 'returns-odd', method: 'echo', path, retryable: false });
    expect(await supervisor.call('returns-odd', 'echo', ['well'])).toBe('well');
    expect(supervisor.status('returns-odd')).toMatchObject({ pid, inFlight: 0, queued: 0 });
  });

  test('what JSON has its own way with arrives in that way, and is read at once', async () => {
    const { supervisor } = await supervise.fixture('returns-odd');
    const echo = (value: unknown): Promise<unknown> => supervisor.call('returns-odd', 'echo', [value]);
    expect(await echo(undefined)).toBeNull();
    expect(await echo(new Date(0))).toBe('1970-01-01T00:00:00.000Z');
    expect(await echo([Number.NaN, Infinity, -0])).toEqual([null, null, 0]);
    expect(await echo({ gone: undefined, kept: null })).toEqual({ kept: null });
    expect(await echo(Buffer.from('hi'))).toEqual(Buffer.from('hi'));
    expect(await echo('\ud800 \u2028 \0 😀')).toBe('\ud800 \u2028 \0 😀');
    const list = [1];
    const answer = echo(list);
    list.push(2);
    expect(await answer).toEqual([1]);
  });

  test.each(['text', null, 7, {}, { length: 1 }])('that are no array are refused: %j', async (args) => {
    const { supervisor } = await supervise.fixture('returns-odd');
    const error = await rejection(supervisor.call('returns-odd', 'echo', args as unknown as unknown[]));
    expect(error).toMatchObject({ code: 'ERR_NOT_SERIALIZABLE', path: 'arguments' });
  });

  test('arguments over maxMessageBytes are refused here', async () => {
    const { supervisor } = await supervise.fixture('returns-odd', { maxMessageBytes: 10_000 });
    const error = await rejection<PayloadTooLargeError>(supervisor.call('returns-odd', 'echo', ['x'.repeat(20_000)]));
    expect(error).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE', path: 'arguments', limit: 10_000 });
    expect(error.bytes).toBeGreaterThan(20_000);
    expect(await supervisor.call('returns-odd', 'echo', ['x'.repeat(5_000)])).toHaveLength(5_000);
  });
});

describe('F29: results', () => {
  const refused: [string, string, unknown[]][] = [
    ['bigint', 'result.amount', []],
    ['cycle', 'result.list[0]', []],
    ['function', 'result.run', []],
    ['symbol', 'result', []],
    ['nested', 'result', [100_000]],
  ];
  test.each(refused)('of %s: that call alone fails, with the path', async (method, path, args) => {
    const { supervisor } = await supervise.fixture('returns-odd', { breaker: { maxFailures: 1 } });
    const { pid } = supervisor.status('returns-odd');
    const neighbour = supervisor.call('returns-odd', 'echo', ['well']);
    const error = await rejection<NotSerializableError>(supervisor.call('returns-odd', method, args));
    expect(error).toMatchObject({ code: 'ERR_NOT_SERIALIZABLE', method, path });
    expect(await neighbour).toBe('well');
    expect(supervisor.status('returns-odd')).toMatchObject({ pid, inFlight: 0, breaker: { state: 'closed' } });
  });

  test.each<[string, unknown]>([
    ['undefined', null],
    ['inner', { list: [null] }],
    ['date', '1970-01-01T00:00:00.000Z'],
    ['nan', [null, null, 0]],
    ['map', {}],
    ['buffer', Buffer.from('hi')],
  ])('of %s arrive as JSON has them, bytes as bytes', async (method, expected) => {
    const { supervisor } = await supervise.fixture('returns-odd');
    expect(await supervisor.call('returns-odd', method)).toEqual(expected);
  });

  test('over maxMessageBytes: that call alone fails, with both sizes', async () => {
    const { supervisor } = await supervise.fixture('returns-odd', { maxMessageBytes: 10_000, breaker: { maxFailures: 1 } });
    const { pid } = supervisor.status('returns-odd');
    const error = await rejection<PayloadTooLargeError>(supervisor.call('returns-odd', 'big', [50_000]));
    expect(error).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE', path: 'result', limit: 10_000 });
    expect(error.bytes).toBeGreaterThan(50_000);
    expect(await supervisor.call('returns-odd', 'big', [5_000])).toHaveLength(5_000);
    expect(supervisor.status('returns-odd')).toMatchObject({ pid, breaker: { state: 'closed' } });
  });
});

describe('F56: prototypes', () => {
  afterEach(() => {
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.prototype).not.toHaveProperty('polluted');
  });

  test('neither side is polluted by what the other sends', async () => {
    const { supervisor } = await supervise.fixture('returns-odd');
    const evil = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}';
    expect(JSON.stringify(await supervisor.call('returns-odd', 'echo', [JSON.parse(evil)]))).toBe(evil);
    expect(JSON.stringify(await supervisor.call('returns-odd', 'proto'))).toBe(evil);
    expect(await supervisor.call('returns-odd', 'polluted')).toBeNull();
  });

  test('nor by options: such keys are refused, wherever they stand', async () => {
    const evil = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}') as Record<string, unknown>;
    const { supervisor } = await supervise();
    const dir = await putFixture(await supervise.tempDir(), 'polite');
    expect((await rejection(supervisor.load(dir, { options: { options: evil } }))).code).toBe('ERR_CONFIG_INVALID');
    const names = JSON.parse('{"__proto__":{"concurrency":1}}') as Record<string, object>;
    expect((await rejection(createSupervisor({ plugins: names }))).code).toBe('ERR_CONFIG_INVALID');
    expect({}).not.toHaveProperty('polluted');
  });
});

test.each(['', '\0', '/nowhere', 'a\0b', 'x'.repeat(10_000), '/dev/null', '/proc/self/mem'])('load of a folder that is none: %j', async (dir) => {
  const { supervisor } = await supervise();
  expect(await rejection(supervisor.load(dir))).toMatchObject({ code: 'ERR_MANIFEST_INVALID' });
  expect(supervisor.status().plugins).toEqual([]);
});
