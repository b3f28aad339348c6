/** Faults F25 to F29: a plugin's code that spins, throws, dies outside a call, or returns what cannot be sent. */
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { NotSerializableError, PluginCrashedError, PluginThrewError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { Ledger } from '../helpers/ledger.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { starved } from '../helpers/starved.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

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
  // A child that waits for a processor has the longer.
  const waitedMs = starved(supervisor.status('dies').pid!);
  process.kill(supervisor.status('busy').pid!, 'SIGSTOP');
  const spun = rejection<PluginCrashedError>(supervisor.call('dies', 'spin', [], { timeoutMs: 120_000 }));
  await until('both are replaced', () => 'busy' in replaced && 'dies' in replaced, 60_000);
  supervisor.removeAllListeners('instance-crashed').removeAllListeners('instance-ready');
  for (const plugin of ['busy', 'dies']) {
    // The verdict falls a second and three after the last ping at the latest; the kill then takes the tree along.
    expect(killed[plugin], `${plugin} is killed`).toBeLessThan(4_000 + 250 + waitedMs());
    expect(replaced[plugin], `${plugin} is replaced`).toBeLessThan(6_000 + waitedMs());
  }
  expect((await spun).exit).toMatchObject({
    cause: 'unresponsive',
    signal: 'SIGKILL',
    detail: expect.stringMatching(/no sign of life for \d{4,5} ms/),
  });
  await check.end({ faults: 2 });
}, 90_000);

rounds('F25 a method that spins makes its child unresponsive, and is named as the culprit', async ({ begin, random }) => {
  const ledger = await Ledger.begin(supervise, 'dies', { liveness: { intervalMs: 250, timeoutMs: 750 } }, random.stream());
  const { supervisor } = ledger.watched;
  const check = await begin(ledger);
  const others = random.between(1, 6);
  void ledger.calls(others, 'once', 60_000);
  await until('they are in the plugin', () => ledger.begun() === others);
  // Anywhere between two pings.
  await random.moment(0, 250);
  // What was sent before the child was last heard of is beyond suspicion.
  await ledger.call('once', 0);
  const waitedMs = starved(supervisor.status('dies').pid!);
  const at = performance.now();
  const spun = rejection<PluginCrashedError>(supervisor.call('dies', 'spin'));
  void ledger.call('once', 0);
  const error = await spun;
  expect(performance.now() - at).toBeLessThan(1_000 + 500 + waitedMs());
  expect(error.exit).toMatchObject({ cause: 'unresponsive', signal: 'SIGKILL' });
  expect(error.exit.inFlight).toHaveLength(others + 2);
  expect(error.exit.inFlight[0]).toMatchObject({ method: 'spin' });
  expect(error.stderrTail).toContain('last words: spinning');
  // Those that come meanwhile wait for the next instance.
  const after = ledger.calls(random.between(1, 6), 'once', 0);
  for (const { error: none } of await after) expect(none).toBeNull();
  await check.end({ faults: 1, stderr: /spinning/ });
});

rounds('F27 whatever a method throws is ERR_PLUGIN_THREW for that call, and its instance is kept', async ({ begin, random }) => {
  const watched = await supervise.fixture('throws-anything', { breaker: { enabled: false } });
  const { supervisor } = watched;
  const check = await begin(watched);
  const { pid } = supervisor.status('throws-anything');
  const kinds = (await supervisor.call('throws-anything', 'kinds')) as string[];
  expect(kinds).toHaveLength(12);
  const thrown: Record<string, PluginThrewError> = {};
  const all = random.shuffled(['throws', 'rejects'].flatMap((method) => kinds.map((kind) => ({ method, kind }))));
  while (all.length > 0) {
    // A few at a time.
    const some = all.splice(0, random.between(1, 6));
    const errors = await Promise.all(some.map(({ method, kind }) => rejection<PluginThrewError>(supervisor.call('throws-anything', method, [kind]))));
    for (const [i, { method, kind }] of some.entries()) {
      const error = errors[i]!;
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

rounds(
  'F28 a rejection or an exception outside of any call ends the instance with its cause named, and the next one goes on',
  async ({ begin, random }) => {
    const ledger = await Ledger.begin(supervise, 'dies', { concurrency: 8 }, random.stream());
    const { supervisor } = ledger.watched;
    const check = await begin(ledger);
    const ways = random.shuffled([
      ['rejectUnheard', 'unhandled-rejection', 'TypeError: nobody listens'],
      ['throwLater', 'uncaught-exception', 'RangeError: out of nowhere'],
    ] as const);
    for (const [method, cause, detail] of ways) {
      const before = ledger.begun();
      const running = ledger.calls(7, 'once', 60_000);
      await until('7 are in the plugin', () => ledger.begun() === before + 7);
      await random.moment(0, 30);
      const crashed = once(supervisor, 'instance-crashed').then(([crash]: unknown[]) => ({ crash, at: performance.now() }));
      const ready = once(supervisor, 'instance-ready').then(() => performance.now());
      const answered = supervisor.call('dies', method);
      const queued = ledger.calls(random.between(1, 40), 'once', random.below(10));
      const { crash, at: crashedAt } = await crashed;
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
    }
    await check.end({ faults: 2, stderr: /nobody listens|out of nowhere/ });
  },
);

rounds('F29 a result that cannot be sent fails its own call, and no other', async ({ begin, random }) => {
  const LIMIT = 65_536;
  const watched = await supervise.fixture('unserializable', { maxMessageBytes: LIMIT });
  const { supervisor } = watched;
  const check = await begin(watched);
  const { pid } = supervisor.status('unserializable');
  const call = (method: string, ...args: unknown[]): Promise<unknown> => supervisor.call('unserializable', method, args);

  const refused = [
    ['bigint', 'result.total'],
    ['cycle', 'result.deep.list[1]'],
    ['function', 'result'],
    ['symbol', 'result'],
    ['hiddenFunction', 'result.list[0].act'],
    ['throwingGetter', 'result'],
  ] as const;
  // JSON's own rules.
  const changed = [
    ['undefined', null],
    ['date', '1970-01-01T00:00:00.000Z'],
    ['nan', { nan: null, infinite: [null], negativeZero: 0 }],
    ['map', { map: {} }],
  ] as const;
  const cases = [
    ...refused.map(([method, path]) => async () => {
      const error = await rejection<NotSerializableError>(call(method));
      expect([error.code, error.path], method).toEqual(['ERR_NOT_SERIALIZABLE', path]);
    }),
    ...changed.map(
      ([method, value]) =>
        async () =>
          expect(await call(method)).toEqual(value),
    ),
    async () => expect(await rejection(call('large', LIMIT))).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE', path: 'result', limit: LIMIT }),
    async () => expect(await call('large', LIMIT - 5_000)).toHaveLength(LIMIT - 5_000),
  ];
  // Together and one after the other.
  await Promise.all(random.shuffled(cases).map((each) => each()));
  for (const each of random.shuffled(cases)) await each();
  expect(supervisor.status('unserializable')).toMatchObject({ pid, restarts: 0, breaker: { state: 'closed', failures: 0 } });
  await check.end({ faults: 0 });
});
