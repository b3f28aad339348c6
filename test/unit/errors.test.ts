import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type * as ErrorBase from '../../src/error-base.ts';
import * as errors from '../../src/errors.ts';
import { ChameleonError, isChameleonError } from '../../src/errors.ts';
import * as publicApi from '../../src/index.ts';
import type { ExitFacts, RolloutResult } from '../../src/types.ts';

const subject = { plugin: 'hello', version: '1.0.0', method: 'greet' };
const exit: ExitFacts = {
  pid: 7,
  code: null,
  signal: 'SIGKILL',
  cause: 'signal',
  detail: null,
  uptimeMs: 5,
  rssBytes: null,
  stderrTail: 'ouch',
  inFlight: [],
};
const issues = [{ path: 'a.b', message: 'expected a number' }];
const start = { phase: 'init', exit, stderrTail: 'ouch', hint: 'do less' } as const;
const cause = new Error('underneath');

const rollout: RolloutResult & { from: string } = {
  outcome: 'failed',
  plugin: 'hello',
  from: '1.0.0',
  to: '2.0.0',
  reason: 'start-failed',
  detail: null,
  phases: [],
  outageMs: 0,
  stderrTail: '',
  shadow: null,
};

/** The table of errors: code → one of its kind, and the facts that it promises. */
const TABLE: Record<string, { error: ChameleonError; facts: object; retryable?: true }> = {
  ERR_CONFIG_INVALID: { error: new errors.ConfigInvalidError(issues), facts: { issues } },
  ERR_MANIFEST_INVALID: { error: new errors.ManifestInvalidError('/p/package.json', issues, subject), facts: { file: '/p/package.json', issues } },
  ERR_PLUGIN_NOT_FOUND: { error: new errors.PluginNotFoundError('hello', ['bye']), facts: { available: ['bye'] } },
  ERR_VERSION_NOT_FOUND: { error: new errors.VersionNotFoundError('hello', '^2', ['1.0.0']), facts: { range: '^2', available: ['1.0.0'] } },
  ERR_METHOD_NOT_FOUND: { error: new errors.MethodNotFoundError(subject, ['wave']), facts: { available: ['wave'] } },
  ERR_PLUGIN_EXISTS: { error: new errors.PluginExistsError(subject), facts: {} },
  ERR_START_FAILED: { error: new errors.StartFailedError('could not be started', subject, start), facts: start },
  ERR_START_TIMEOUT: { error: new errors.StartTimeoutError('was late', subject, start), facts: start },
  ERR_HANDSHAKE: { error: new errors.HandshakeError('did not shake hands', subject, start), facts: start },
  ERR_RELOAD_FAILED: { error: new errors.ReloadFailedError(rollout, cause), facts: { from: '1.0.0', to: '2.0.0', result: rollout } },
  ERR_CONTRACT: { error: new errors.ContractError('hello', '1.0.0', '2.0.0', ['greet is gone']), facts: { changes: ['greet is gone'] } },
  ERR_ROLLED_BACK: { error: new errors.RolledBackError(subject, 'slow', 'it was', 'ouch'), facts: { reason: 'slow', stderrTail: 'ouch' } },
  ERR_ROLLOUT_SUPERSEDED: { error: new errors.RolloutSupersededError('hello', '2.0.0'), facts: {} },
  ERR_QUIESCE_FAILED: { error: new errors.QuiesceFailedError('hello', '1.0.0', 'threw'), facts: {} },
  ERR_CALL_TIMEOUT: { error: new errors.CallTimeoutError(subject, 500, 'queued'), facts: { timeoutMs: 500, phase: 'queued' }, retryable: true },
  ERR_CALL_CANCELLED: { error: new errors.CallCancelledError(subject, cause), facts: {} },
  ERR_QUEUE_FULL: { error: new errors.QueueFullError(subject, 'maxQueue', 20), facts: { limit: 'maxQueue', retryAfterMs: 20 }, retryable: true },
  ERR_CIRCUIT_OPEN: { error: new errors.CircuitOpenError(subject, 20), facts: { retryAfterMs: 20 }, retryable: true },
  ERR_CALL_POISONED: {
    error: new errors.CallPoisonedError(subject, { digest: 'abc', deaths: 3, retryAfterMs: 20 }),
    facts: { digest: 'abc', deaths: 3, retryAfterMs: 20 },
    retryable: true,
  },
  ERR_PLUGIN_UNAVAILABLE: { error: new errors.PluginUnavailableError(subject, 'restarting'), facts: { state: 'restarting' }, retryable: true },
  ERR_PLUGIN_CRASHED: {
    error: new errors.PluginCrashedError(subject, exit, true),
    facts: { exit, stderrTail: 'ouch', maybeExecuted: true },
    retryable: true,
  },
  ERR_PLUGIN_THREW: {
    error: new errors.PluginThrewError(subject, { name: 'E', message: 'm', stack: 's', code: 'C', data: { a: 1 } }),
    facts: { remote: { name: 'E', message: 'm', stack: 's', code: 'C', data: { a: 1 } } },
  },
  ERR_PROTOCOL: { error: new errors.ProtocolError('no header', subject), facts: { reason: 'no header' } },
  ERR_PAYLOAD_TOO_LARGE: {
    error: new errors.PayloadTooLargeError(subject, 'result', { bytes: 9, limit: 8, bound: 'maxMessageBytes' }),
    facts: { path: 'result', bytes: 9, limit: 8, bound: 'maxMessageBytes' },
  },
  ERR_NOT_SERIALIZABLE: { error: new errors.NotSerializableError(subject, 'arguments[0]', 'a bigint'), facts: { path: 'arguments[0]' } },
  ERR_FREE_FAILED: { error: new errors.FreeFailedError(subject, 'threw'), facts: {} },
  ERR_INSTALL_FAILED: {
    error: new errors.InstallFailedError({ source: './a', phase: 'dependencies', reason: 'no network', outputTail: 'npm error' }, subject, cause),
    facts: { source: './a', phase: 'dependencies', reason: 'no network', outputTail: 'npm error' },
  },
  ERR_INTEGRITY: {
    error: new errors.IntegrityError(subject, '/p/hello/1.0.0', [{ path: 'index.js', problem: 'changed' }]),
    facts: { dir: '/p/hello/1.0.0', changes: [{ path: 'index.js', problem: 'changed' }], total: 1 },
  },
  ERR_UNSAFE_FOLDER: {
    error: new errors.UnsafeFolderError(subject, '/p/hello/1.0.0', '/p belongs to user 7'),
    facts: { path: '/p/hello/1.0.0', reason: '/p belongs to user 7' },
  },
  ERR_VERSION_IN_USE: { error: new errors.VersionInUseError(subject, '/p/hello/1.0.0'), facts: { dir: '/p/hello/1.0.0' } },
  ERR_STATE_IN_USE: { error: new errors.StateInUseError('/p/.chameleon', 7), facts: { dir: '/p/.chameleon', pid: 7 } },
  ERR_SUPERVISOR_CLOSED: { error: new errors.SupervisorClosedError(subject), facts: {} },
};

const classes = Object.entries(errors).filter(([, value]) => isErrorClass(value)) as [string, new (...args: never[]) => ChameleonError][];

function isErrorClass(value: unknown): boolean {
  return typeof value === 'function' && value !== ChameleonError && value.prototype instanceof ChameleonError;
}

const withoutStack = (facts: object): object =>
  JSON.parse(JSON.stringify(facts, (key, value: unknown) => (key === 'stack' ? undefined : value))) as object;

describe('the table of errors', () => {
  test('has one class for each code, and every class is public', () => {
    const made = Object.values(TABLE).map(({ error }) => error.constructor);
    expect(new Set(made).size).toBe(made.length);
    expect(made).toHaveLength(classes.length);
    for (const [name, constructor] of classes) {
      expect(made, name).toContain(constructor);
      expect(publicApi, name).toHaveProperty(name, constructor);
    }
  });

  test.each(Object.entries(TABLE))('%s', (code, { error, facts, retryable = false }) => {
    expect(error).toMatchObject({ code, retryable, ...facts });
    expect(error.name).toBe(error.constructor.name);
    expect(error.name).toMatch(/^[A-Z]\w+Error$/);
    expect(String(error)).toBe(`${error.name}: ${error.message}`);
    expect(error.stack).toContain(error.name);
    expect(error.message).toMatch(/^[^]{10,}$/);
    expect(isChameleonError(error)).toBe(true);
    // Every fact travels, and nothing else: what the command prints and the socket carries is this.
    const { cause: under, ...told } = error.toJSON();
    const whose = Object.fromEntries(Object.entries({ plugin: error.plugin, version: error.version, method: error.method }).filter(([, v]) => v));
    expect(told).toEqual({ name: error.name, code, message: error.message, retryable, ...whose, ...withoutStack(facts) });
    expect(under).toEqual(error.cause === undefined ? undefined : { message: (error.cause as Error).message });
    expect(JSON.parse(JSON.stringify(error))).toEqual(JSON.parse(JSON.stringify({ ...told, cause: under })));
  });

  test('a stack in the facts is told only to those who ask for it', () => {
    const { error, facts } = TABLE['ERR_PLUGIN_THREW']!;
    expect(error.toJSON({ stacks: true })).toMatchObject(facts);
    expect(error.toJSON({ stacks: false })).not.toHaveProperty('remote.stack');
  });

  test('a cause of ours is told with its own facts', () => {
    const inner = new errors.QueueFullError(subject, 'maxQueue', 20);
    expect(new errors.ReloadFailedError(rollout, inner).toJSON()).toMatchObject({ cause: { code: 'ERR_QUEUE_FULL', retryAfterMs: 20 } });
  });

  test.each([
    ['starting', true],
    ['restarting', true],
    ['failed', false],
    ['stopped', false],
    ['draining', false],
  ])('a plugin that is %s: retryable %s', (state, retryable) => {
    expect(new errors.PluginUnavailableError(subject, state).retryable).toBe(retryable);
  });
});

describe('isChameleonError', () => {
  test('knows errors of another copy of the package', async () => {
    const url = `${pathToFileURL(resolve(import.meta.dirname, '../../src/error-base.ts')).href}?copy=2`;
    const other = (await import(/* @vite-ignore */ url)) as typeof ErrorBase;
    expect(other.ChameleonError).not.toBe(ChameleonError);
    class Foreign extends other.ChameleonError {
      readonly code = 'ERR_FOREIGN';
    }
    const foreign = new Foreign('from elsewhere');
    expect(foreign).not.toBeInstanceOf(ChameleonError);
    expect(isChameleonError(foreign)).toBe(true);
    expect(other.isChameleonError(TABLE['ERR_PROTOCOL']!.error)).toBe(true);
  });

  test.each([null, undefined, 'ERR_PROTOCOL', new Error('no'), { code: 'ERR_PROTOCOL' }, {}])('is not taken in by %j', (value) => {
    expect(isChameleonError(value)).toBe(false);
  });
});

describe('how an exit reads', () => {
  test.each<[Partial<ExitFacts>, string]>([
    [{}, 'signal, signal SIGKILL'],
    [{ signal: null, code: 3, cause: 'exit-code' }, 'exit-code, exit code 3'],
    [{ signal: null, code: null, cause: 'spawn-error', detail: 'ENOENT' }, 'spawn-error, never started: ENOENT'],
  ])('%j', (facts, text) => {
    expect(errors.describeExit({ ...exit, ...facts })).toBe(text);
  });
});
