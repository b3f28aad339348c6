/** Fault F18, as heavy as it can be: whatever a plugin sends, the supervisor's event loop goes on turning, and each refusal is typed. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isChameleonError, type HandshakeError, type PluginThrewError } from '../../src/index.ts';
import { expectNeverHeld, HELD_MS, longestHold } from '../helpers/held.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const PATIENT = {
  callTimeoutMs: 60_000,
  // The heaviest that there can be: more values than are taken by default.
  maxMessageValues: Number.MAX_SAFE_INTEGER,
  breaker: { enabled: false },
  poisonAfter: 0,
  restart: { maxRestarts: 1_000, backoffMs: 1, maxBackoffMs: 1 },
};

// prettier-ignore
const TAKEN = [
  'text', 'otherText', 'noText', 'escapes', 'unicodeEscapes', 'blanks', 'arrays', 'objects', 'numbers', 'fractions', 'longNumber', 'strings',
  'records', 'shapes', 'nested', 'sameKey', 'manyFields', 'smallShapes', 'smallKeys', 'smallDeep',
];
const REFUSED: [string, RegExp][] = [
  ['keys', /an object has more than 262144 members/],
  ['indices', /an object has more than 262144 members/],
  ['deep', /nested more than 131072 levels deep/],
  ['deepObjects', /nested more than 131072 levels deep/],
  ['unclosed', /nested more than 131072 levels deep/],
  ['lateMistake', /a frame is not JSON/],
  ['cutShort', /a frame is not JSON/],
];

const heavy = (): Promise<Watched> => supervise.fixture('heavy', PATIENT);

describe('F18 the event loop is never held for 50 ms', () => {
  test.each(TAKEN)('by a result of 16 MiB that is good: %s', { timeout: 120_000 }, async (kind) => {
    const { supervisor, events } = await heavy();
    await expectNeverHeld(kind, () => supervisor.call('heavy', 'result', [kind]));
    expect(events.filter((event) => event.kind === 'instance-crashed')).toEqual([]);
  });

  test('by an answer with too many values', { timeout: 120_000 }, async () => {
    const { supervisor } = await supervise.fixture('heavy', { ...PATIENT, maxMessageValues: 1_000_000 });
    await expectNeverHeld('arrays', async () => {
      expect(await rejection(supervisor.call('heavy', 'result', ['arrays']))).toMatchObject({ code: 'ERR_PAYLOAD_TOO_LARGE' });
    });
  });

  test.each(REFUSED)('by a result of 16 MiB that is refused: %s', { timeout: 120_000 }, async (kind, reason) => {
    const { supervisor, events } = await heavy();
    await expectNeverHeld(kind, async () => {
      const error = await rejection(supervisor.call('heavy', 'result', [kind]));
      expect(isChameleonError(error) && error.code).toBe('ERR_PLUGIN_CRASHED');
    });
    const crashed = events.find((event) => event.kind === 'instance-crashed');
    expect(crashed?.exit.cause).toBe('protocol-error');
    expect(crashed?.exit.detail).toMatch(reason);
  });

  test.each(['log', 'error', 'request', 'unknownId'].flatMap((place) => ['arrays', 'manyFields', 'smallShapes'].map((kind) => [place, kind])))(
    'by what is heavy in another place: %s, %s',
    { timeout: 120_000 },
    async (place, kind) => {
      const { supervisor, logs } = await heavy();
      await expectNeverHeld(`${place} ${kind}`, () => supervisor.call('heavy', place, [kind]).catch(() => undefined));
      if (place === 'log')
        for (const { message, fields } of logs)
          expect([message, fields!['dropped'] ?? 'kept']).toEqual(['m', kind === 'smallShapes' ? 'kept' : 'they are too large']);
      if (place === 'error' && kind !== 'smallShapes') {
        const { remote } = await rejection<PluginThrewError>(supervisor.call('heavy', place, [kind]));
        expect(remote.data).toBe('(dropped: it is too large)');
      }
    },
  );

  test.each(['logMessage', 'errorMessage'])('by 16 MiB of text that is to be printed: %s', { timeout: 120_000 }, async (place) => {
    const printed: number[] = [];
    const print = (message: string): void => void printed.push(message.length);
    const { supervisor, logs } = await supervise.fixture('heavy', PATIENT, { logger: { debug: print, info: print, warn: print, error: print } });
    await expectNeverHeld(place, () =>
      supervisor.call('heavy', place, ['text']).catch((error: Error) => expect(error.message.length).toBeLessThan(10_000)),
    );
    for (const { message } of logs) expect(message).toHaveLength(65_536);
    expect(Math.max(...printed)).toBeLessThan(100_000);
  });

  test('by a greeting with a megabyte of methods, or sixteen of anything', { timeout: 120_000 }, async () => {
    const { supervisor } = await supervise();
    const load = (greeting: string): Promise<HandshakeError> =>
      rejection<HandshakeError>(supervisor.load(join(fixtures, 'heavy'), { options: { ...PATIENT, options: { greeting } } }));
    for (const [greeting, reason] of [
      ['methods', /the plugin names \d+ methods, the supervisor takes 1000/],
      ['arrays', /an answer to a control request takes \d+ bytes, the limit is 1048576/],
      ['keys', /an object has more than 262144 members/],
    ] as const) {
      await expectNeverHeld(greeting, async () => {
        const error = await load(greeting);
        expect([error.code, error.message]).toEqual(['ERR_HANDSHAKE', expect.stringMatching(reason)]);
      });
    }
  });

  test('by a pong of sixteen megabytes, which is against the protocol', { timeout: 120_000 }, async () => {
    const { supervisor, events } = await supervise.fixture('heavy', {
      ...PATIENT,
      options: { pong: 'arrays' },
      liveness: { intervalMs: 50, timeoutMs: 3_000 },
    });
    await expectNeverHeld('pongs', () => until('its end', () => events.some((event) => event.kind === 'instance-crashed'), 20_000));
    const crashed = events.find((event) => event.kind === 'instance-crashed');
    expect(crashed?.exit).toMatchObject({
      cause: 'protocol-error',
      detail: expect.stringContaining('an answer to a control request takes') as string,
    });
    await supervisor.unload('heavy');
  });

  test('by one large answer after the other, and their child is not taken for silent', { timeout: 120_000 }, async () => {
    const { supervisor, events } = await supervise.fixture('heavy', { ...PATIENT, liveness: { intervalMs: 50, timeoutMs: 1_500 } });
    const { pid } = supervisor.status('heavy');
    for (let i = 0; i < 3; i++) expect(await supervisor.call('heavy', 'result', ['arrays'])).toHaveLength(5_592_066);
    expect([events.filter((event) => event.kind === 'instance-crashed'), supervisor.status('heavy').pid]).toEqual([[], pid]);
  });

  test('by several plugins that send at the same time: the time of a turn is theirs together', { timeout: 120_000 }, async () => {
    const { supervisor } = await supervise({ defaults: PATIENT });
    const folder = await supervise.tempDir();
    const names = ['arrays', 'shapes', 'records', 'fractions'];
    for (const name of names) await supervisor.load(await putFixture(folder, 'heavy', { name }));
    await supervisor.load(join(fixtures, 'bystander'));
    let served = 0;
    const held = await longestHold(async () => {
      let isDone = false;
      const all = Promise.all(names.map((name) => supervisor.call(name, 'result', [name])));
      void all.finally(() => (isDone = true));
      for (; !isDone; served++) await supervisor.call('bystander', 'echo', [served]);
      await all;
    });
    // What they send is read in one turn as well, and that is bounded by their number.
    expect(held).toBeLessThan(names.length * HELD_MS);
    expect(served).toBeGreaterThan(20);
  });
});
