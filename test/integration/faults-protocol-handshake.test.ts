/** Fault F24, and what else a child may say before and just after it is ready: over stdin and stdout, by hand. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ChameleonError, HandshakeError, Logger, PluginThrewError } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const dir = join(fixtures, 'raw-handshake');
const options = (mode: string): object => ({ options: { options: { mode }, liveness: { intervalMs: 50, timeoutMs: 3_000 } } });

rounds('F24 a greeting that is wrong is ERR_HANDSHAKE, at once, and names both sides', async ({ begin, random }) => {
  const wrong: [string, RegExp][] = [
    ['protocol', /the supervisor speaks protocol 1, the plugin 2/],
    ['name', /the supervisor started raw-handshake@1.0.0, the plugin says it is "somebody-else" "1.0.0"/],
    ['version', /the supervisor started raw-handshake@1.0.0, the plugin says it is "raw-handshake" "1.0.1"/],
    ['twice', /the supervisor asked once, the plugin sent an answer to 0, which is not open/],
    ['methods', /the plugin names 60000 methods, the supervisor takes 1000/],
    ['longName', /the plugin names a method that the supervisor does not take: "x{60}"/],
    ['mebibyte', /the plugin broke the protocol: an answer to a control request takes \d+ bytes, the limit is 1048576/],
    ['reserved', /the plugin names a method that the supervisor does not take: "\$\/ping"/],
    ['noMethods', /the supervisor asked for methods as an object by name, the plugin answered with nothing/],
    ['nothing', /the supervisor asked for an object, the plugin answered \$\/initialize with null/],
    ['neither', /the supervisor sent \$\/initialize, the plugin refused it: /],
    ['stranger', /the supervisor sent \$\/initialize, the plugin refused it: Unhandled method \$\/initialize/],
    ['deepName', /the supervisor started raw-handshake@1.0.0, the plugin says it is an array nothing/],
    ['deepProtocol', /the supervisor speaks protocol 1, the plugin an array/],
    ['garbage', /the plugin broke the protocol: a frame is not JSON/],
  ];
  const watched = await supervise();
  const check = await begin(watched);
  for (const [mode, reason] of random.shuffled(wrong)) {
    const begun = performance.now();
    const error = await rejection<HandshakeError>(watched.supervisor.load(dir, options(mode)));
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(error, mode).toMatchObject({ code: 'ERR_HANDSHAKE', phase: 'handshake', plugin: 'raw-handshake', version: '1.0.0' });
    expect(error.message).toMatch(reason);
    expect(error.message.length).toBeLessThan(1_000);
  }
  expect(check.events('restart-scheduled')).toEqual([]);
  await check.end({ faults: wrong.length, kinds: ['instance-start-failed'] });
});

test.each([
  ['oddStack', 'ERR_START_FAILED', /odd/],
  ['close', 'ERR_START_FAILED', /it closed its channel before it was ready/],
])('a child that fails oddly before it is ready (%s) is %s', async (mode, code, message) => {
  const watched = await supervise();
  const error: ChameleonError = await rejection(watched.supervisor.load(dir, options(mode)));
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});

test('an error whose message is no text is still a failed start', async () => {
  const watched = await supervise();
  const { options: plugin } = options('oddMessage') as { options: object };
  const error = await rejection(watched.supervisor.load(dir, { options: { ...plugin, startTimeoutMs: 2_000 } }));
  expect(error.code).toMatch(/^ERR_(START_FAILED|START_TIMEOUT|HANDSHAKE)$/);
});

test('pings that are answered with what is no pong leave the child alive, and the status clean', async () => {
  const watched = await supervise();
  const { supervisor } = watched;
  await supervisor.load(dir, options('oddPong'));
  const { pid } = supervisor.status('raw-handshake');
  const enough = performance.now() + 600;
  await until('a dozen pings', () => performance.now() > enough);
  const [instance] = supervisor.status('raw-handshake').versions[0]!.instances;
  expect(instance).toMatchObject({ pid, state: 'ready', cpuMs: null, eventLoopDelayMs: null });
  expect(await supervisor.call('raw-handshake', 'echo', [1])).toBe(1);
});

rounds('F18 what nests 10⁵ levels deep, or has no shape at all, reaches neither loggers nor errors', async ({ begin, random }) => {
  const printed: string[] = [];
  const print = (message: string, fields?: object): void => void printed.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: print, info: print, warn: print, error: print };
  const watched = await supervise({ logger, logLevel: 'debug' });
  const { supervisor } = watched;
  await supervisor.load(dir, options('good'));
  const check = await begin(watched);
  const deepLog = async (): Promise<void> => {
    expect(await supervisor.call('raw-handshake', 'deepLog')).toBe(1);
    expect(printed.find((line) => line.startsWith('deep '))).toContain('{"dropped":"they are too large"');
  };
  const deepError = async (): Promise<void> => {
    const deep = await rejection<PluginThrewError>(supervisor.call('raw-handshake', 'deepError'));
    expect(deep.remote).toEqual({ name: 'Error', message: 'deep', data: '(dropped: it is too large)' });
    expect(JSON.stringify(deep)).toMatch(/ERR_PLUGIN_THREW/);
  };
  const oddError = async (): Promise<void> => {
    const odd = await rejection<PluginThrewError>(supervisor.call('raw-handshake', 'oddError'));
    expect(odd.remote).toEqual({ name: 'Error', message: 'odd', cause: { name: 'Error', message: 'unknown' } });
    expect(JSON.stringify(odd)).toMatch(/ERR_PLUGIN_THREW/);
  };
  for (const each of random.shuffled([deepLog, deepLog, deepError, oddError])) await each();
  expect(await supervisor.call('raw-handshake', 'echo', [1])).toBe(1);
  await check.end({ faults: 0 });
});
