/** What needs no supervisor: exit codes, arguments, and errors, tables and records as text. */
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseArguments, parseReference } from '../../src/cli/arguments.ts';
import { type ErrorFacts, exitCodeOf, factsOf, usageError } from '../../src/cli/errors.ts';
import { describeError } from '../../src/cli/render/error.ts';
import { renderRecord } from '../../src/cli/render/log.ts';
import { nearest } from '../../src/cli/render/nearest.ts';
import { renderPlugin, renderSupervisor } from '../../src/cli/render/status.ts';
import { bytes, duration, millis } from '../../src/cli/render/units.ts';
import { plain } from '../../src/cli/terminal.ts';
import * as errors from '../../src/errors.ts';
import type { ExitFacts, PluginStatus, VersionStatus } from '../../src/types.ts';

// The runner's own wish for colour is not this test's.
delete process.env.FORCE_COLOR;

const exit: ExitFacts = {
  pid: 7,
  code: 1,
  signal: null,
  cause: 'exit-code',
  detail: null,
  uptimeMs: 5,
  rssBytes: null,
  stderrTail: 'boom\n',
  inFlight: [],
};
const subject = { plugin: 'hello', version: '1.0.0', method: 'greet' };

describe('exit codes', () => {
  test.each([
    ['ERR_PLUGIN_THREW', 1],
    ['ERR_PLUGIN_CRASHED', 1],
    ['ERR_RELOAD_FAILED', 1],
    ['ERR_SOMETHING_NEW', 1],
    ['__proto__', 1],
    ['ERR_USAGE', 2],
    ['ERR_CONFIG_INVALID', 2],
    ['ERR_SUPERVISOR_RUNNING', 2],
    ['ERR_NO_SUPERVISOR', 3],
    ['ERR_PLUGIN_NOT_FOUND', 4],
    ['ERR_VERSION_NOT_FOUND', 4],
    ['ERR_METHOD_NOT_FOUND', 4],
    ['ERR_CALL_TIMEOUT', 5],
    ['ERR_CIRCUIT_OPEN', 6],
    ['ERR_QUEUE_FULL', 6],
    ['ERR_PLUGIN_UNAVAILABLE', 6],
    ['ERR_SUPERVISOR_CLOSED', 6],
  ])('%s is %i', (code, expected) => expect(exitCodeOf(code)).toBe(expected));

  test('every error becomes facts with a code', () => {
    expect(factsOf(usageError('x', 'y'))).toEqual({ code: 'ERR_USAGE', message: 'x', hint: 'y' });
    expect(factsOf(new errors.QueueFullError(subject, 'maxQueue', 40))).toMatchObject({
      code: 'ERR_QUEUE_FULL',
      plugin: 'hello',
      retryAfterMs: 40,
      retryable: true,
    });
    expect(factsOf(new TypeError('bad'))).toEqual({ code: 'ERR_INTERNAL', message: 'bad' });
    expect(factsOf('text')).toEqual({ code: 'ERR_INTERNAL', message: 'text' });
  });
});

describe('arguments of a call', () => {
  test('an array is the list of arguments, anything else the one argument', async () => {
    expect(await parseArguments(undefined)).toEqual([]);
    expect(await parseArguments('["世界", 3]')).toEqual(['世界', 3]);
    expect(await parseArguments('"one"')).toEqual(['one']);
    expect(await parseArguments('{"a":[1]}')).toEqual([{ a: [1] }]);
    expect(await parseArguments('null')).toEqual([null]);
    expect(await parseArguments('-5')).toEqual([-5]);
  });

  test('from a file, byte order mark or not', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'chameleon-arguments-'));
    try {
      writeFileSync(path.join(folder, 'args.json'), '\u{feff}[1, 2]');
      expect(await parseArguments(`@${folder}/args.json`)).toEqual([1, 2]);
      await expect(parseArguments(`@${folder}/missing.json`)).rejects.toMatchObject({ facts: { code: 'ERR_USAGE' } });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('text that is no JSON is refused, with the way to quote it', async () => {
    await expect(parseArguments("it's")).rejects.toMatchObject({ facts: { code: 'ERR_USAGE', hint: expect.stringContaining(`'["it'\\''s"]'`) } });
  });

  test('a reference may name a version, a scope is none', () => {
    expect(parseReference('hello')).toEqual({ name: 'hello' });
    expect(parseReference('hello@1.0.0')).toEqual({ name: 'hello', version: '1.0.0' });
    expect(parseReference('@scope/hello')).toEqual({ name: '@scope/hello' });
    expect(parseReference('@scope/hello@2.0.0')).toEqual({ name: '@scope/hello', version: '2.0.0' });
  });
});

describe('an error as text', () => {
  const crossed = (error: errors.ChameleonError): string => describeError(JSON.parse(JSON.stringify(error.toJSON({ stacks: true }))) as ErrorFacts);

  test('a name that is nearly right is suggested', () => {
    expect(crossed(new errors.PluginNotFoundError('helo', ['hello', 'markdown']))).toContain('did you mean hello?');
    expect(crossed(new errors.MethodNotFoundError({ plugin: 'hello', method: 'gret' }, ['greet']))).toContain('did you mean greet?');
    expect(crossed(new errors.PluginNotFoundError('zzz', ['hello']))).not.toContain('did you mean');
  });

  test('what helps is said once', () => {
    const start = crossed(new errors.StartFailedError('did not start', subject, { phase: 'import', hint: 'look at the entry', stderrTail: 'boom' }));
    expect(start.match(/look at the entry/g)).toHaveLength(1);
    expect(start.match(/boom/g)).toHaveLength(1);
    expect(crossed(new errors.QueueFullError(subject, 'maxQueue', 40)).match(/try again in 40 ms/g)).toHaveLength(1);
  });

  test('a crash shows the last output, an error of the plugin its stack', () => {
    expect(crossed(new errors.PluginCrashedError(subject, exit, true))).toContain('boom');
    expect(crossed(new errors.PluginThrewError(subject, { name: 'TypeError', message: 'no', stack: 'TypeError: no\n    at greet' }))).toContain(
      'at greet',
    );
  });

  test('escape sequences of a plugin never reach the terminal', () => {
    const evil = new errors.PluginThrewError(subject, { name: 'Error', message: '\u001b[2Jgone\u0007', stack: '\u001b]0;title\u0007x' });
    expect(crossed(evil)).not.toMatch(/[\u0000-\u0008\u000b-\u001f]/);
    expect(crossed(evil)).toContain('gone');
    expect(plain('a\u001b[31mb\u009bc\td\n')).toBe('ab\\x9bc\td\n');
  });
});

test('the nearest word is at most a third of its letters away', () => {
  expect(nearest('markdwon', ['hello', 'markdown'])).toBe('markdown');
  expect(nearest('HELLO', ['hello'])).toBe('hello');
  expect(nearest('a', ['abc'])).toBe(null);
  expect(nearest('', ['hello'])).toBe(null);
});

test('numbers as people read them', () => {
  expect([0, 59_999, 125_000, 3_725_000, 90_000_000].map(duration)).toEqual(['0s', '59s', '2m 5s', '1h 2m', '1d 1h']);
  expect([null, 1024 * 1024, 50 * 1024 * 1024, 3 * 1024 ** 3].map(bytes)).toEqual(['-', '1.0 MiB', '50 MiB', '3.0 GiB']);
  expect([0.0123, 1.234, 12.34, 123.4].map(millis)).toEqual(['0.012', '1.23', '12.3', '123']);
});

const version: VersionStatus = {
  version: '1.0.0',
  state: 'running',
  role: 'active',
  active: true,
  dir: '/p/hello/1.0.0',
  pid: 42,
  uptimeMs: 61_000,
  inFlight: 3,
  queued: 4,
  queuedBytes: 0,
  breaker: { state: 'open', failures: 5, retryAfterMs: 4_000 },
  restarts: 2,
  rssBytes: 50 * 1024 * 1024,
  methods: ['greet'],
  instances: [],
  debug: false,
  poisoned: [],
  ignoredCancels: [],
  retryAfterMs: null,
  droppedLogs: 0,
  lastError: null,
  lastExit: null,
};
const plugin: PluginStatus = {
  ...version,
  name: 'hello',
  state: 'active',
  rollout: null,
  versions: [
    version,
    {
      ...version,
      version: '0.9.0',
      active: false,
      role: 'held',
      state: 'failed',
      pid: null,
      lastError: { code: 'ERR_START_FAILED', message: 'no entry' },
      retryAfterMs: 9_000,
      ignoredCancels: [
        { method: 'report', times: 12, slots: 3 },
        { method: 'greet', times: 1, slots: 0 },
      ],
    },
  ],
};

test('status shows every version, the reason of a failed one, and what was refused', () => {
  const text = renderSupervisor({
    pid: 1,
    state: 'running',
    uptimeMs: 5_000,
    rssBytes: 1024 * 1024,
    plugins: [plugin],
    spares: 2,
    refused: [{ path: '/p/bad', code: 'ERR_MANIFEST_INVALID', message: 'no package.json' }],
  });
  expect(text).toContain('1.0 MiB, 2 spares waiting\n');
  expect(text).toMatch(/hello +1\.0\.0 \* +running +42 +1m 1s +3 +4 +open 4s +2 +50 MiB/);
  expect(text).toMatch(/hello +0\.9\.0 held +failed +- +-/);
  expect(text).toContain('hello@0.9.0 ERR_START_FAILED: no entry\n  its next start is in 9s');
  expect(text).toContain('hello@0.9.0 report ignores cancellation: it holds 3 slots, after 12 such calls so far');
  expect(text).not.toContain('greet ignores');
  expect(text).toContain('refused /p/bad ERR_MANIFEST_INVALID');
  expect(renderPlugin(plugin)).toContain('methods  greet');
});

test('a record is one line with its plugin, version and pid', () => {
  expect(renderRecord({ time: 'T', level: 'info', message: 'hi', plugin: 'hello', version: '1.0.0', pid: 9, stream: 'stdout' })).toBe(
    'T info  hello@1.0.0[9] hi {"stream":"stdout"}',
  );
  expect(renderRecord({ time: 'T', level: 'warn', message: 'hi' })).toBe('T warn  supervisor hi');
});
