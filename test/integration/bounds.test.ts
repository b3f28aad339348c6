/** Whatever can grow has a bound. Each is reached here, or where docs/reliability.md says. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PluginThrewError, QueueFullError } from '../../src/index.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Invariants } from '../helpers/invariants.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const KiB = 2 ** 10;
const MiB = 2 ** 20;

describe('logs', () => {
  const TOLD = /^(\d+) log records were dropped: more than 100 records or \d+ bytes a second$/;

  test('over maxLogsPerSecond are dropped, counted, and told of; the calls go on', async () => {
    const LINES = 5_000;
    const watched = await supervise.fixture('worker', { maxLogsPerSecond: 100 });
    const { supervisor, logs } = watched;
    const check = await Invariants.begin(watched);
    const begun = performance.now();
    await Promise.all([supervisor.call('worker', 'print', [LINES, 10]), supervisor.call('worker', 'pid')]);
    const dropped = (): number => supervisor.status('worker').versions[0]!.droppedLogs;
    const kept = (): number => logs.filter(({ message }) => message === 'x'.repeat(10)).length;
    await until('all lines were read', () => kept() + dropped() === LINES);
    // A burst of twice the rate, and the rate for as long as it took.
    expect(kept()).toBeGreaterThanOrEqual(200);
    expect(kept()).toBeLessThanOrEqual(200 + ((performance.now() - begun) / 1_000) * 100 + 1);
    const counted = dropped();
    // The next record that is kept tells of the loss before it, and the count outlives the child.
    const { pid } = supervisor.status('worker');
    process.kill(pid!, 'SIGKILL');
    const told = (): number => logs.reduce((sum, { message }) => sum + Number(TOLD.exec(message)?.[1] ?? 0), 0);
    await until('the loss was told', () => told() === counted);
    for (const record of logs.filter(({ message }) => TOLD.test(message))) expect(record).toMatchObject({ plugin: 'worker', level: 'warn', pid });
    await until('it is replaced', () => supervisor.status('worker').pid !== null && supervisor.status('worker').pid !== pid);
    expect(dropped()).toBe(counted);
    await check.end({ faults: 1 });
  });

  test('over maxLogBytesPerSecond are dropped and counted, however few they are', async () => {
    const LINES = 500;
    const { supervisor, logs } = await supervise.fixture('worker', { maxLogBytesPerSecond: 100 * KiB });
    const begun = performance.now();
    await supervisor.call('worker', 'print', [LINES, 8 * KiB]);
    const kept = (): number => logs.filter(({ message }) => message.startsWith('xxx')).length;
    await until('all lines were read', () => kept() + supervisor.status('worker').versions[0]!.droppedLogs === LINES);
    expect(kept()).toBeGreaterThanOrEqual(25);
    expect(kept()).toBeLessThanOrEqual(26 + ((performance.now() - begun) / 1_000) * 12.5);
  });

  test('of one plugin leave those of another alone', async () => {
    const { supervisor, logs } = await supervise.fixture('worker', { maxLogsPerSecond: 100 });
    await supervisor.load(join(fixtures, 'chatty'), { options: { options: { mood: 'good' } } });
    await supervisor.call('worker', 'print', [1_000, 10]);
    await supervisor.call('chatty', 'levels');
    await until('its records', () => logs.filter(({ plugin }) => plugin === 'chatty').length === 5);
    expect(supervisor.status('chatty').versions[0]!.droppedLogs).toBe(0);
  });

  test('come as lines of 64 KiB at most: a longer one is several', async () => {
    const LENGTH = 10 * MiB;
    const { supervisor, logs } = await supervise.fixture('worker', { maxLogBytesPerSecond: LENGTH });
    await supervisor.call('worker', 'print', [1, LENGTH]);
    await until('all of it', () => logs.reduce((sum, { message }) => sum + message.length, 0) === LENGTH);
    expect(logs).toHaveLength(LENGTH / (64 * KiB));
    expect(Math.max(...logs.map(({ message }) => message.length))).toBe(64 * KiB);
  });
});

describe('messages that nobody asked for', () => {
  const stray = '{"jsonrpc":"2.0","method":"nobody/asked"}';

  test('are borne up to a thousand a second, and end the instance at one more', async () => {
    const watched = await supervise.fixture('raw-channel', { breaker: { enabled: false }, restart: { backoffMs: 1 } });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched);
    expect(await supervisor.call('raw-channel', 'say', [Array(1_000).fill(stray)])).toBe('own answer');
    expect(check.events('stray-answer')).toHaveLength(1_000);
    const second = performance.now() + 1_100;
    await until('a second has passed', () => performance.now() > second);
    const error = await rejection(supervisor.call('raw-channel', 'say', [Array(1_001).fill(stray)]));
    expect(error).toMatchObject({
      code: 'ERR_PLUGIN_CRASHED',
      exit: { cause: 'protocol-error', detail: 'more than 1000 messages a second that nobody asked for' },
    });
    expect(check.events('stray-answer')).toHaveLength(2_000);
    expect(await supervisor.call('raw-channel', 'echo', [1])).toBe(1);
    await check.end({ faults: 1 });
  });
});

test('the bytes that wait in all plugins together are bounded, though each has room of its own', async () => {
  const folder = await supervise.tempDir();
  const names = ['one', 'two', 'three'];
  await Promise.all(names.map((name) => putFixture(folder, 'worker', { name })));
  const watched = await supervise({ pluginDir: folder, defaults: { concurrency: 1 }, maxTotalQueueBytes: MiB });
  const { supervisor } = watched;
  const check = await Invariants.begin(watched);
  const busy = names.map((name) => supervisor.call(name, 'block', [500]));
  const held = (): number => names.reduce((sum, name) => sum + supervisor.status(name).versions[0]!.queuedBytes, 0);
  await until('they are at it', () => held() === 0);
  const text = 'x'.repeat(300 * KiB);
  const calls = [...names, ...names].map((name) => supervisor.call(name, 'pid', [text]));
  const refused = await Promise.all(calls.slice(3).map((call) => rejection<QueueFullError>(call)));
  for (const error of refused) expect(error).toMatchObject({ code: 'ERR_QUEUE_FULL', limit: 'maxTotalQueueBytes', retryable: true });
  expect(held()).toBeGreaterThan(900 * KiB);
  expect(held()).toBeLessThanOrEqual(MiB);
  await Promise.all([...busy, ...calls.slice(0, 3)]);
  expect(held()).toBe(0);
  // What was let go of is free for others.
  await Promise.all(names.map((name) => supervisor.call(name, 'pid', [text])));
  await check.end({ faults: 0 });
});

describe('what a plugin says of an error', () => {
  test('has a message of 8 KiB and a stack of 16 KiB at most', async () => {
    const watched = await supervise.fixture('worker');
    const { remote } = await rejection<PluginThrewError>(watched.supervisor.call('worker', 'fail', [5 * MiB, 5 * MiB]));
    expect(remote.message).toMatch(/^m{8000}/);
    expect(Buffer.byteLength(remote.message)).toBeLessThanOrEqual(8 * KiB);
    expect(remote.stack).toMatch(/^s{16000}/);
    expect(Buffer.byteLength(remote.stack!)).toBeLessThanOrEqual(16 * KiB);
  });

  test('also where it comes past the runner', async () => {
    const watched = await supervise.fixture('raw-channel');
    const nested = (levels: number): object => ({ name: 'n'.repeat(MiB), message: 'c', ...(levels > 0 && { cause: nested(levels - 1) }) });
    const data = { name: 'n'.repeat(MiB), stack: 's'.repeat(MiB), code: 'c'.repeat(MiB), cause: nested(9) };
    const body = JSON.stringify({ jsonrpc: '2.0', id: '$id', error: { code: -32_000, message: 'm'.repeat(MiB), data } });
    const said = watched.supervisor.call('raw-channel', 'say', [[body.replace('"$id"', '$id')]], { timeoutMs: 20_000 });
    const { remote } = await rejection<PluginThrewError>(said);
    expect([remote.name.length, remote.message.length, remote.stack!.length, (remote.code as string).length]).toEqual([200, 8_192, 16_384, 200]);
    let causes = 0;
    for (let { cause } = remote; cause !== undefined; cause = cause.cause) causes++;
    expect(causes).toBe(5);
  });
});

describe('labels of the metrics', () => {
  test('are no more than a plugin may have methods, also where it was never ready and any name may be one', async () => {
    const folder = await supervise.tempDir();
    await putFixture(folder, 'exit-125');
    const { supervisor } = await supervise({ pluginDir: folder });
    for (let i = 0; i < 1_500; i++) await rejection(supervisor.call('exit-125', `made-up-${i}`));
    const { methods } = supervisor.metrics('exit-125').plugins['exit-125']!['1.0.0']!;
    expect(Object.keys(methods)).toHaveLength(1_001);
    expect(methods['(unknown)']).toMatchObject({ calls: 500 });
  });

  test('are of the last twenty versions of a plugin', () => {
    const metrics = new Metrics();
    for (let patch = 0; patch < 100; patch++) metrics.settled('worker', `1.0.${patch}`, 'pid', null, 0, 1);
    const kept = Array.from({ length: 100 }, (_, patch) => patch).filter((patch) => 'pid' in metrics.methods('worker', `1.0.${patch}`));
    expect(kept).toEqual(Array.from({ length: 20 }, (_, i) => 80 + i));
    // Another plugin's are its own.
    metrics.settled('other', '1.0.0', 'pid', null, 0, 1);
    expect(metrics.methods('worker', '1.0.80')['pid']).toMatchObject({ calls: 1 });
  });
});
