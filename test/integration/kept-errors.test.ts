/** A host may keep errors for as long as it likes: V8 keeps the frames of each until its stack is read, and the objects in them. */
import { describe, expect, test } from 'vitest';
import type { ChameleonError, PluginCrashedError, PluginThrewError, Supervisor, SupervisorOptions } from '../../src/index.ts';
import { frame } from '../../src/protocol/frame.ts';
import { FIRST_CALL_ID } from '../../src/protocol/messages.ts';
import { rejection } from '../helpers/rejection.ts';
import { retained } from '../helpers/retained.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const MiB = 2 ** 20;
const KEPT = 100;
const NAME = 'fails-each-way';

interface Way {
  code: ChameleonError['code'];
  options?: NonNullable<SupervisorOptions['defaults']>;
  /** Makes calls with such an argument that fail, and perhaps some that do not. */
  fail(supervisor: Supervisor, argument: () => unknown): Promise<unknown>[];
}

/** One call of this method, with its own copy of the argument. */
const one =
  (method: string, options = {}, ...rest: unknown[]): Way['fail'] =>
  (supervisor, argument) => [supervisor.call(NAME, method, [argument(), ...rest], options)];

const WAYS: Record<string, Way> = {
  'a refusal': {
    code: 'ERR_QUEUE_FULL',
    options: { concurrency: 1, maxQueue: 0 },
    fail: (supervisor, argument) => Array.from({ length: 10 }, () => supervisor.call(NAME, 'waits', [argument(), 5])),
  },
  'an error that the plugin threw': { code: 'ERR_PLUGIN_THREW', fail: one('throws') },
  'an error of the last attempt': {
    code: 'ERR_PLUGIN_THREW',
    options: { retry: { attempts: 3, backoffMs: 1, maxBackoffMs: 1, budgetRatio: 1 } },
    fail: one('throwsAgain'),
  },
  'a deadline that passed while it ran': { code: 'ERR_CALL_TIMEOUT', fail: one('waits', { timeoutMs: 5 }, 60_000) },
  'a deadline that passed in the queue': {
    code: 'ERR_CALL_TIMEOUT',
    options: { concurrency: 1 },
    fail: (supervisor, argument) => [
      supervisor.call(NAME, 'waits', [null, 20]),
      ...Array.from({ length: 10 }, () => supervisor.call(NAME, 'waits', [argument(), 5], { timeoutMs: 5 })),
    ],
  },
  'a cancelled call': {
    code: 'ERR_CALL_CANCELLED',
    fail: (supervisor, argument) => {
      const cancel = new AbortController();
      const calls = Array.from({ length: 3 }, () => supervisor.call(NAME, 'waits', [argument(), 60_000], { signal: cancel.signal }));
      setTimeout(() => cancel.abort(), 5);
      return calls;
    },
  },
  'an unknown method': { code: 'ERR_METHOD_NOT_FOUND', fail: one('nothing') },
  'a result that is no JSON': { code: 'ERR_NOT_SERIALIZABLE', fail: one('returnsBigInt') },
  'arguments that are no JSON': { code: 'ERR_NOT_SERIALIZABLE', fail: one('waits', {}, 1n) },
  'arguments that are too large': { code: 'ERR_PAYLOAD_TOO_LARGE', options: { maxMessageBytes: MiB }, fail: one('waits') },
  'a crash': {
    code: 'ERR_PLUGIN_CRASHED',
    options: { restart: { maxRestarts: 1_000, backoffMs: 1, maxBackoffMs: 1 }, poisonAfter: 0 },
    fail: (supervisor, argument) => Array.from({ length: 10 }, (_, n) => supervisor.call(NAME, n === 9 ? 'ends' : 'waits', [argument(), 60_000])),
  },
};

const ARGUMENTS = { text: () => 'x'.repeat(MiB), bytes: () => new Uint8Array(MiB) };

describe('a kept error keeps neither its call nor the arguments:', () => {
  for (const [name, { code, options, fail }] of Object.entries(WAYS)) {
    for (const [kind, argument] of Object.entries(ARGUMENTS)) {
      test(`${name}, with ${kind}`, async () => {
        const { supervisor } = await supervise.fixture(NAME, { breaker: { enabled: false }, ...options });
        const errors: ChameleonError[] = [];
        const failAgain = async (): Promise<void> => {
          for (const outcome of await Promise.allSettled(fail(supervisor, argument)))
            if (outcome.status === 'rejected') errors.push(outcome.reason as ChameleonError);
          await until('it is ready for more', () => supervisor.status(NAME).inFlight === 0 && supervisor.status(NAME).pid !== null);
        };
        await failAgain();
        const before = retained();
        const first = errors.length;
        while (errors.length < KEPT) await failAgain();
        expect(new Set(errors.map((error) => error.code))).toEqual(new Set([code]));
        // Buffers that were collected are counted until they are freed, a moment later.
        await until('the arguments are gone', () => retained() - before < ((errors.length - first) * MiB) / 5);
      });
    }
  }

  test('an error whose texts were cut keeps no more than is left of them', async () => {
    const { supervisor } = await supervise.fixture('raw-channel', { breaker: { enabled: false } });
    const long = 'm'.repeat(MiB);
    const error = { code: -32000, message: long, data: { name: long, stack: long, code: long, cause: { name: long, message: long } } };
    const answer = (id: number): string => frame(JSON.stringify({ jsonrpc: '2.0', id, error }));
    const before = retained();
    const errors: PluginThrewError[] = [];
    while (errors.length < 20) errors.push(await rejection(supervisor.call('raw-channel', 'bytes', [answer(FIRST_CALL_ID + errors.length)])));
    expect(new Set(errors.map(({ remote: { message } }) => message.length))).toEqual(new Set([8_192]));
    await until('the rest of the texts is gone', () => retained() - before < (errors.length * MiB) / 4);
  });

  test('a crash in the middle of an answer keeps none of what had come', async () => {
    const options = { breaker: { enabled: false }, restart: { maxRestarts: 1_000, backoffMs: 1, maxBackoffMs: 1 }, poisonAfter: 0 };
    const { supervisor } = await supervise.fixture('raw-channel', options);
    const half = `Content-Length: ${4 * MiB}\r\n\r\n${'x'.repeat(3 * MiB)}`;
    const errors: PluginCrashedError[] = [];
    const before = retained();
    while (errors.length < 10) {
      const { pid } = supervisor.status('raw-channel');
      const failed = rejection<PluginCrashedError>(supervisor.call('raw-channel', 'bytes', [half]));
      await until('half of it is here', () => retained() - before > 3 * MiB);
      process.kill(pid!, 'SIGKILL');
      errors.push(await failed);
      await until('it is replaced', () => ![null, pid].includes(supervisor.status('raw-channel').pid));
    }
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_PLUGIN_CRASHED']));
    await until('the halves are gone', () => retained() - before < (errors.length * MiB) / 2);
  });
});
