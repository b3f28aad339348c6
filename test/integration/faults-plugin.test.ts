/** Faults F25 to F29: a plugin's code that spins, throws, dies outside a call, or returns what cannot be sent. */
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { NotSerializableError, PluginCrashedError, PluginThrewError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { Ledger } from '../helpers/ledger.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const LOADS = ['idle', 'under load'] as const;

test('F08 F25 with the default times a child that is stopped and one that spins are killed within 4 s and replaced within 6 s', async () => {
  const ledger = await Ledger.begin(supervise, 'dies');
  const { supervisor } = ledger.watched;
  await supervisor.load(join(fixtures, 'busy'));
  const check = await Invariants.begin(ledger.watched);
  const at = performance.now();
  const killed: Record<string, number> = {};
  const replaced: Record<string, number> = {};
  supervisor.on('instance-crashed', ({ plugin }) => (killed[plugin] = performance.now() - at));
  supervisor.on('instance-ready', ({ plugin }) => (replaced[plugin] = performance.now() - at));
  process.kill(supervisor.status('busy').pid!, 'SIGSTOP');
  const spun = rejection<PluginCrashedError>(supervisor.call('dies', 'spin'));
  await until('both are replaced', () => 'busy' in replaced && 'dies' in replaced);
  supervisor.removeAllListeners('instance-crashed').removeAllListeners('instance-ready');
  for (const plugin of ['busy', 'dies']) {
    // The verdict falls a second and three after the last ping at the latest; the kill then takes the tree along.
    expect(killed[plugin], `${plugin} is killed`).toBeLessThan(4_000 + 250);
    expect(replaced[plugin], `${plugin} is replaced`).toBeLessThan(6_000);
  }
  expect((await spun).exit).toMatchObject({
    cause: 'unresponsive',
    signal: 'SIGKILL',
    detail: expect.stringMatching(/no sign of life for \d{4} ms/),
  });
  await check.end({ faults: 2 });
});

test.each(LOADS)('F25 a method that spins makes its child unresponsive, and is named as the culprit, %s', async (load) => {
  const ledger = await Ledger.begin(supervise, 'dies', { liveness: { intervalMs: 250, timeoutMs: 750 } });
  const { supervisor } = ledger.watched;
  const check = await Invariants.begin(ledger.watched, load);
  void ledger.calls(3, 'once', 60_000);
  await until('3 are in the plugin', () => ledger.begun() === 3);
  // What was sent before the child was last heard of is beyond suspicion.
  await ledger.call('once', 0);
  const at = performance.now();
  const spun = rejection<PluginCrashedError>(supervisor.call('dies', 'spin'));
  void ledger.call('once', 0);
  const error = await spun;
  expect(performance.now() - at).toBeLessThan(1_000 + 250);
  expect(error.exit).toMatchObject({ cause: 'unresponsive', signal: 'SIGKILL', inFlight: [{ method: 'spin' }, {}, {}, {}, {}] });
  expect(error.stderrTail).toContain('last words: spinning');
  // Those that come meanwhile wait for the next instance.
  const after = ledger.calls(3, 'once', 0);
  for (const { error: none } of await after) expect(none).toBeNull();
  await ledger.verify();
  await check.end({ faults: 1, stderr: /spinning/ });
});

describe('F27 whatever a method throws is ERR_PLUGIN_THREW for that call, and its instance is kept', () => {
  test.each(LOADS)('%s', async (load) => {
    const watched = await supervise.fixture('throws-anything', { breaker: { enabled: false } });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched, load);
    const { pid } = supervisor.status('throws-anything');
    const kinds = (await supervisor.call('throws-anything', 'kinds')) as string[];
    expect(kinds).toHaveLength(12);
    const thrown: Record<string, PluginThrewError> = {};
    for (const method of ['throws', 'rejects']) {
      for (const kind of kinds) {
        const error = await rejection<PluginThrewError>(supervisor.call('throws-anything', method, [kind]));
        expect(error.code, `${method} ${kind}`).toBe('ERR_PLUGIN_THREW');
        expect(Buffer.byteLength(error.remote.message), `${method} ${kind}`).toBeLessThanOrEqual(8_192);
        expect(error.remote.name).toMatch(/./);
        thrown[kind] = error;
      }
    }
    expect(thrown['error']!.remote).toMatchObject({
      name: 'TypeError',
      message: 'plain',
      stack: expect.stringContaining('throws-anything/index.js'),
    });
    expect(thrown['string']!.remote.message).toContain('a string');
    expect(thrown['hugeMessage']!.remote.message).toMatch(/^é{100}.*truncated/);
    expect(thrown['hugeData']!.remote).toMatchObject({ message: 'with data', data: expect.stringContaining('dropped') });
    expect(supervisor.status('throws-anything')).toMatchObject({ pid, restarts: 0 });
    await check.end({ faults: 0 });
  });
});

describe.each(LOADS)('F28 an exception outside of any call ends the instance, and the next one goes on, %s', (load) => {
  test.each([
    ['rejectUnheard', 'unhandled-rejection', 'TypeError: nobody listens'],
    ['throwLater', 'uncaught-exception', 'RangeError: out of nowhere'],
  ])('%s is named %s', async (method, cause, detail) => {
    const ledger = await Ledger.begin(supervise, 'dies', { concurrency: 8 });
    const { supervisor } = ledger.watched;
    const check = await Invariants.begin(ledger.watched, load);
    const running = ledger.calls(7, 'once', 60_000);
    await until('7 are in the plugin', () => ledger.begun() === 7);
    const answered = supervisor.call('dies', method);
    const queued = ledger.calls(20, 'once', ledger.random(5));
    const ready = once(supervisor, 'instance-ready').then(() => performance.now());
    const [crash] = await once(supervisor, 'instance-crashed');
    const crashedAt = performance.now();
    expect(crash).toMatchObject({ plugin: 'dies', exit: { code: 1, signal: null, cause, detail } });
    expect(await answered).toBe('answered');
    for (const { error, at } of await running) {
      expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true, exit: { cause } });
      expect(at - crashedAt).toBeLessThan(100);
    }
    expect((await ready) - crashedAt).toBeLessThan(1_000);
    // One of them may have taken the slot of the call that was answered.
    const lost = (await queued).filter(({ error }) => error !== null);
    expect(lost.length).toBeLessThanOrEqual(1);
    await ledger.verify();
    await check.end({ faults: 1, stderr: new RegExp(detail) });
  });
});

describe('F29 a result that cannot be sent fails its own call, and no other', () => {
  test.each(LOADS)('%s', async (load) => {
    const watched = await supervise.fixture('unserializable', { maxMessageBytes: 65_536 });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched, load);
    const { pid } = supervisor.status('unserializable');
    const call = (method: string, ...args: unknown[]): Promise<unknown> => supervisor.call('unserializable', method, args);

    for (const [method, path] of [
      ['bigint', 'result.total'],
      ['cycle', 'result.deep.list[1]'],
      ['function', 'result'],
      ['symbol', 'result'],
      ['hiddenFunction', 'result.list[0].act'],
      ['throwingGetter', 'result'],
    ]) {
      const error = await rejection<NotSerializableError>(call(method!));
      expect([error.code, error.path], method).toEqual(['ERR_NOT_SERIALIZABLE', path]);
    }
    // JSON's own rules.
    expect(await call('undefined')).toBeNull();
    expect(await call('date')).toBe('1970-01-01T00:00:00.000Z');
    expect(await call('nan')).toEqual({ nan: null, infinite: [null], negativeZero: 0 });
    expect(await call('map')).toEqual({ map: {} });

    const [large, small] = await Promise.all([rejection(call('large', 65_536)), call('large', 60_000)]);
    expect(large).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE', path: 'result', limit: 65_536 });
    expect(small).toHaveLength(60_000);
    expect(supervisor.status('unserializable')).toMatchObject({ pid, restarts: 0, breaker: { state: 'closed', failures: 0 } });
    await check.end({ faults: 0 });
  });
});
