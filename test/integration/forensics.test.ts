/** Every cause of death there is, reached by a real child: named, with the facts that go with it, and no secret among them. */
import { describe, expect, test } from 'vitest';
import type { ExitCause, ExitFacts, PluginOptions, StartFailedError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const MiB = 2 ** 20;
const quick: PluginOptions = { breaker: { enabled: false }, restart: { backoffMs: 1, maxBackoffMs: 1 }, cancelGraceMs: 50, ignoredCancelRatio: 0 };
const seen = new Set<ExitCause>();

interface Case {
  cause: ExitCause;
  options?: PluginOptions;
  /** The deadly call; null where another way leads there. */
  call: [method: string, ...args: unknown[]] | null;
  code?: number | null;
  signal?: string | null;
  detail?: RegExp | null;
}

const CRASHES: Case[] = [
  { cause: 'exit-code', call: ['exit', 3], code: 3, signal: null, detail: null },
  { cause: 'signal', call: ['signal', 'SIGKILL'], code: null, signal: 'SIGKILL', detail: null },
  { cause: 'signal', call: ['signal', 'SIGSEGV'], code: null, signal: 'SIGSEGV', detail: null },
  { cause: 'uncaught-exception', call: ['throwLater'], code: 1, detail: /^RangeError: out of range, apiKey=\[redacted\]$/ },
  { cause: 'unhandled-rejection', call: ['rejectLater'], code: 1, detail: /^TypeError: unheard$/ },
  { cause: 'out-of-memory', options: { execArgv: ['--max-old-space-size=24'] }, call: ['fillHeap'], detail: /^the V8 heap is full$/ },
  {
    cause: 'memory-limit',
    options: { memoryLimitBytes: 200 * MiB, liveness: { intervalMs: 50 } },
    call: ['grow', 220 * MiB],
    signal: 'SIGKILL',
    detail: /^\d+ bytes resident, the limit is 209715200$/,
  },
  {
    cause: 'unresponsive',
    options: { liveness: { intervalMs: 100, timeoutMs: 400 } },
    call: ['spin'],
    signal: 'SIGKILL',
    detail: /^no sign of life for \d+ ms, running spin \(call \d+\)$/,
  },
  { cause: 'protocol-error', call: ['garble'], signal: 'SIGKILL', detail: /^expected a Content-Length header/ },
  { cause: 'channel-closed', call: ['closeChannel'], signal: 'SIGKILL', detail: /^it closed its channel and lived on$/ },
];

const mortal = (options: PluginOptions = {}): Promise<Watched> => supervise.fixture('mortal', { ...quick, ...options });

function expectFacts(exit: ExitFacts, wanted: { cause: ExitCause; pid?: number; words: string | null }): void {
  seen.add(exit.cause);
  expect(exit.cause).toBe(wanted.cause);
  if (wanted.pid !== undefined) expect(exit.pid).toBe(wanted.pid);
  expect(exit.uptimeMs).toBeGreaterThan(0);
  if (wanted.words !== null) {
    expect(exit.stderrTail).toContain(`dying of ${wanted.words} password=[redacted] \\x07\\x1b[31m`);
  }
  expect(JSON.stringify(exit)).not.toContain('hunter2');
  expect(exit.stderrTail).not.toMatch(/[\u0007\u001b]/);
}

describe('a crash is told with its cause, how long it lived, what it held, what was in flight, and its last words', () => {
  test.each(CRASHES)('$cause: $call.0 $call.1', async ({ cause, options, call, detail, ...facts }) => {
    const watched = await mortal(options);
    const { supervisor } = watched;
    const check = await Invariants.begin(watched);
    const pid = supervisor.status('mortal').pid!;
    await until('it was weighed', () => supervisor.status('mortal').rssBytes !== null);
    const waiting = rejection(supervisor.call('mortal', 'hang'));
    // What was sent before it was last heard of is no suspect.
    await supervisor.call('mortal', 'alive');
    const [method, ...args] = call!;
    await rejection(supervisor.call('mortal', method, args));
    expect(await waiting).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { pid, cause } });
    const { exit } = check.events('instance-crashed')[0]!;
    expectFacts(exit, { cause, pid, words: method });
    expect(exit).toMatchObject(facts);
    if (detail === null) expect(exit.detail).toBeNull();
    else expect(exit.detail).toMatch(detail!);
    expect(exit.rssBytes).toBeGreaterThan(10 * MiB);
    expect(exit.inFlight.map((each) => each.method).toSorted()).toEqual(['hang', method].toSorted());
    await until('another one is there', () => supervisor.status('mortal').pid !== null && supervisor.status('mortal').pid !== pid);
    expect(supervisor.status('mortal').versions[0]!.lastExit).toEqual(exit);
    await check.end({ faults: 1 });
  });

  test('cancel-ignored', async () => {
    const watched = await mortal();
    const check = await Invariants.begin(watched);
    const { pid } = watched.supervisor.status('mortal');
    await rejection(watched.supervisor.call('mortal', 'ignoreCancel', [], { timeoutMs: 100 }));
    await until('it is killed', () => check.events('instance-crashed').length === 1);
    const { exit } = check.events('instance-crashed')[0]!;
    expectFacts(exit, { cause: 'cancel-ignored', pid: pid!, words: 'ignoreCancel' });
    expect(exit).toMatchObject({ detail: 'a call went on for 50 ms after it was cancelled', inFlight: [{ method: 'ignoreCancel' }] });
    await check.end({ faults: 1 });
  });
});

describe('an end that was asked for is told as well', () => {
  test('stopped', async () => {
    const watched = await mortal();
    const { pid } = watched.supervisor.status('mortal');
    await watched.supervisor.unload('mortal');
    const stopped = watched.events.find((event) => event.kind === 'instance-stopped');
    expectFacts(stopped!.exit, { cause: 'stopped', pid: pid!, words: null });
    expect(stopped!.exit).toMatchObject({ code: 0, signal: null, inFlight: [] });
  });

  test('drain-timeout', async () => {
    const watched = await mortal({ drainTimeoutMs: 100, stopTimeoutMs: 500 });
    const cut = rejection(watched.supervisor.call('mortal', 'hang'));
    await until('it is in flight', () => watched.supervisor.status('mortal').inFlight === 1);
    await watched.supervisor.unload('mortal');
    const stopped = watched.events.find((event) => event.kind === 'instance-stopped');
    expectFacts(stopped!.exit, { cause: 'drain-timeout', words: null });
    expect(await cut).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', exit: { cause: 'drain-timeout', inFlight: [{ method: 'hang' }] } });
  });
});

describe('a start that fails is told with its cause', () => {
  test.each<[ExitCause, PluginOptions, string, string | null]>([
    ['start-failed', { options: { dieAt: 'init' } }, 'ERR_START_FAILED', 'init'],
    ['start-timeout', { options: { dieAt: 'never' }, startTimeoutMs: 1_500 }, 'ERR_START_TIMEOUT', 'start'],
    ['spawn-error', { nodePath: '/nowhere/node' }, 'ERR_START_FAILED', null],
  ])('%s', async (cause, options, code, words) => {
    const error = await rejection<StartFailedError>(mortal(options));
    expect(error.code).toBe(code);
    expect(JSON.stringify([error.message, error.toJSON()])).not.toContain('hunter2');
    if (words !== null) expect(error.stderrTail).toContain(`dying of ${words} password=[redacted]`);
    expectFacts(error.exit!, { cause, words });
  });
});

test('no cause is left out', () => {
  const all = {
    stopped: true,
    'drain-timeout': true,
    'exit-code': true,
    signal: true,
    'out-of-memory': true,
    'memory-limit': true,
    'uncaught-exception': true,
    'unhandled-rejection': true,
    unresponsive: true,
    'cancel-ignored': true,
    'protocol-error': true,
    'channel-closed': true,
    'spawn-error': true,
    'start-timeout': true,
    'start-failed': true,
    // It takes a kernel that holds a process: unkillable.test.ts.
  } satisfies Record<Exclude<ExitCause, 'unkillable'>, true>;
  expect([...seen].toSorted()).toEqual(Object.keys(all).toSorted());
});
