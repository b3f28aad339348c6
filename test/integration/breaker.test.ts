/** The circuit breaker, as callers and operators meet it. Its own rules are held against a model in unit/resilience. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CircuitOpenError } from '../../src/index.ts';
import { linesOf } from '../helpers/lines.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds, type Round } from '../helpers/rounds.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

test('failures open it, refusals come at once with a time to try again, and probes close it', async () => {
  const { supervisor, events } = await supervise.fixture('throws', { breaker: { maxFailures: 3, openMs: 300, halfOpenCalls: 2 } });
  for (let i = 0; i < 3; i++) expect(await rejection(supervisor.call('throws', 'plain'))).toMatchObject({ code: 'ERR_PLUGIN_THREW' });
  const refused = await rejection<CircuitOpenError>(supervisor.call('throws', 'ok'));
  expect(refused).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', plugin: 'throws', version: '1.0.0', method: 'ok', retryable: true });
  expect(refused.retryAfterMs).toBeGreaterThan(0);
  expect(refused.retryAfterMs).toBeLessThanOrEqual(300);
  expect(supervisor.breaker('throws')).toMatchObject({ state: 'open', failures: 3 });

  await until('its time is over', () => supervisor.breaker('throws').retryAfterMs === 0);
  expect(await supervisor.call('throws', 'ok')).toBe('ok');
  expect(supervisor.breaker('throws').state).toBe('half-open');
  expect(await supervisor.call('throws', 'ok')).toBe('ok');
  expect(supervisor.breaker('throws')).toEqual({ state: 'closed', failures: 0, retryAfterMs: 0 });
  expect(events.flatMap((event) => (event.kind === 'breaker-changed' ? [`${event.from} → ${event.to}`] : []))).toEqual([
    'closed → open',
    'open → half-open',
    'half-open → closed',
  ]);
});

describe('what says nothing of the health of a plugin', () => {
  test.each(['answer', 'invalid'])('an error that blames the caller or is an answer: %s', async (method) => {
    const { supervisor } = await supervise.fixture('throws', { breaker: { maxFailures: 1 } });
    expect(await rejection(supervisor.call('throws', method))).toMatchObject({ code: 'ERR_PLUGIN_THREW' });
    expect(supervisor.breaker('throws')).toMatchObject({ state: 'closed', failures: 0 });
  });

  test('errors of a method that declares them to be none', async () => {
    const folder = await supervise.tempDir();
    const dir = await putFixture(folder, 'throws', { chameleon: { methods: { plain: { errorsAreFailures: false } } } });
    const { supervisor } = await supervise({ defaults: { breaker: { maxFailures: 1 } } });
    await supervisor.load(dir);
    await rejection(supervisor.call('throws', 'plain'));
    expect(supervisor.breaker('throws').state).toBe('closed');
    await rejection(supervisor.call('throws', 'rich'));
    expect(supervisor.breaker('throws').state).toBe('open');
  });

  test('time spent in the queue, and what JSON cannot carry', async () => {
    const { supervisor } = await supervise.fixture('polite', { concurrency: 1, breaker: { maxFailures: 1 } });
    const busy = supervisor.call('polite', 'sleep', [300]);
    expect(await rejection(supervisor.call('polite', 'echo', [1], { timeoutMs: 50 }))).toMatchObject({ phase: 'queued' });
    expect(await rejection(supervisor.call('polite', 'echo', [1n]))).toMatchObject({ code: 'ERR_NOT_SERIALIZABLE' });
    expect(await rejection(supervisor.call('polite', 'nope'))).toMatchObject({ code: 'ERR_METHOD_NOT_FOUND' });
    await busy;
    expect(supervisor.breaker('polite')).toMatchObject({ state: 'closed', failures: 0 });
  });
});

describe('what counts', () => {
  test('a call that times out while it runs', async () => {
    const { supervisor } = await supervise.fixture('polite', { callTimeoutMs: 50, breaker: { maxFailures: 1 } });
    expect(await rejection(supervisor.call('polite', 'sleep', [60_000]))).toMatchObject({ phase: 'running' });
    expect(supervisor.breaker('polite').state).toBe('open');
  });

  test('a death, once, however many calls it took along', async () => {
    const { supervisor } = await supervise.fixture('polite', { breaker: { maxFailures: 2 } });
    const doomed = Array.from({ length: 8 }, () => rejection(supervisor.call('polite', 'sleep', [60_000])));
    await until('they run', () => supervisor.status('polite').inFlight === 8);
    await rejection(supervisor.call('polite', 'exit', [1]));
    await Promise.all(doomed);
    expect(supervisor.breaker('polite')).toMatchObject({ state: 'closed', failures: 1 });
  });

  test('a success that is slower than slowCallMs', async () => {
    const { supervisor } = await supervise.fixture('polite', { breaker: { maxFailures: 1, slowCallMs: 20 } });
    expect(await supervisor.call('polite', 'sleep', [60])).toBe(60);
    expect(supervisor.breaker('polite').state).toBe('open');
  });

  test('a share of failures, once there were enough calls', async () => {
    const { supervisor } = await supervise.fixture('throws', { breaker: { failureRatio: 0.5, minimumCalls: 4 } });
    await supervisor.call('throws', 'ok');
    await rejection(supervisor.call('throws', 'plain'));
    await rejection(supervisor.call('throws', 'plain'));
    expect(supervisor.breaker('throws').state).toBe('closed');
    await rejection(supervisor.call('throws', 'plain'));
    expect(supervisor.breaker('throws').state).toBe('open');
  });

  test('nothing, where it is not enabled', async () => {
    const { supervisor } = await supervise.fixture('throws', { breaker: { enabled: false, maxFailures: 1 } });
    for (let i = 0; i < 10; i++) await rejection(supervisor.call('throws', 'plain'));
    expect(await supervisor.call('throws', 'ok')).toBe('ok');
  });
});

test('an operator isolates a plugin and restores it: calls under way finish, others are refused meanwhile', async () => {
  const { supervisor } = await supervise.fixture('polite');
  const running = supervisor.call('polite', 'sleep', [100]);
  await until('it runs', () => supervisor.status('polite').inFlight === 1);
  supervisor.isolate('polite');
  const refused = await rejection<CircuitOpenError>(supervisor.call('polite', 'echo', [1]));
  expect(refused).toMatchObject({ code: 'ERR_CIRCUIT_OPEN', retryAfterMs: 0 });
  expect(refused.message).toContain('isolated');
  expect(supervisor.breaker('polite').state).toBe('isolated');
  expect(await running).toBe(100);
  expect(supervisor.breaker('polite').state).toBe('isolated');
  supervisor.restore('polite');
  expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
  expect(() => supervisor.isolate('nobody')).toThrow(expect.objectContaining({ code: 'ERR_PLUGIN_NOT_FOUND' }) as Error);
});

test('each version has a circuit of its own', async () => {
  const folder = await supervise.tempDir();
  await putFixture(folder, 'throws');
  await putFixture(folder, 'throws', { version: '2.0.0' });
  const { supervisor } = await supervise({ pluginDir: folder, defaults: { breaker: { maxFailures: 1 }, pin: ['^1'] } });
  await rejection(supervisor.call('throws@^1', 'plain'));
  expect(supervisor.breaker('throws@^1').state).toBe('open');
  expect(supervisor.breaker('throws').state).toBe('closed');
  expect(await supervisor.call('throws', 'ok')).toBe('ok');
});

test('what waits when the circuit opens is refused, and never reaches the plugin that it protects', async () => {
  const { supervisor } = await supervise.fixture('fails-when-told', { concurrency: 2, breaker: { maxFailures: 4 } });
  const folder = await supervise.tempDir();
  writeFileSync(join(folder, 'mood'), 'ill');
  const codes = await Promise.all(
    Array.from({ length: 200 }, () => rejection(supervisor.call('fails-when-told', 'act', [folder])).then(({ code }) => code)),
  );
  const reached = linesOf(join(folder, 'reached')).length;
  // Those that ran when the circuit opened end as they may.
  expect(reached).toBeGreaterThanOrEqual(4);
  expect(reached).toBeLessThanOrEqual(4 + 2);
  expect(codes.filter((code) => code === 'ERR_CIRCUIT_OPEN')).toHaveLength(200 - reached);
});

/** A plugin that is ill, with its circuit open, and a thousand callers who wait for it. `mood` changes how it feels. */
async function opened({ begin, random }: Round, breaker: object) {
  const openMs = random.between(200, 400);
  // A probe counts whose caller is as patient as the method asks for.
  const plugins = { 'fails-when-told': { callTimeoutMs: 300 } };
  const plugin = { concurrency: 2_000, maxQueue: 5_000, breaker: { maxFailures: 5, openMs, ...breaker } };
  const watched = await supervise.fixture('fails-when-told', plugin, { plugins });
  const { supervisor } = watched;
  const check = await begin(watched);
  const folder = await supervise.tempDir();
  const mood = (text: string): void => writeFileSync(join(folder, 'mood'), text);
  const reached = (): number => linesOf(join(folder, 'reached')).length;
  const act = (options = { timeoutMs: 30_000 }): Promise<unknown> => supervisor.call('fails-when-told', 'act', [folder, 50], options);
  const late = supervisor.call('fails-when-told', 'late', [openMs + 300], { timeoutMs: 30_000 });
  mood('ill');
  await Promise.all(Array.from({ length: 5 }, () => rejection(act())));
  const state = (): string => supervisor.breaker('fails-when-told').state;
  expect(state()).toBe('open');
  const halfOpenIsDue = async (): Promise<void> => {
    await until('half-open is due', () => supervisor.breaker('fails-when-told').retryAfterMs === 0);
    await random.moment(0, 50);
  };
  const outcomes = async (calls: Promise<unknown>[]): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const outcome of await Promise.allSettled(calls)) {
      const key = outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as { code: string }).code;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  };
  return { ...watched, check, mood, reached, act, late, state, halfOpenIsDue, outcomes };
}

/** Failures and resets that are told of: the circuit opened, was half open, and so on. */
const CHANGES = { kinds: ['breaker-changed' as const] };

rounds('F36 half-open with a thousand callers waiting exactly halfOpenCalls reach the plugin, and their success closes it', async (round) => {
  const halfOpenCalls = round.random.between(1, 5);
  const { check, mood, reached, act, late, state, halfOpenIsDue, outcomes } = await opened(round, { halfOpenCalls });
  mood('well');
  const before = reached();
  await halfOpenIsDue();
  const calls = Array.from({ length: 1_000 }, () => act());
  expect(await outcomes(calls)).toEqual({ ok: halfOpenCalls, ERR_CIRCUIT_OPEN: 1_000 - halfOpenCalls });
  expect(reached() - before).toBe(halfOpenCalls);
  expect(state()).toBe('closed');
  expect(await late).toBe('late');
  await check.end({ faults: 3, ...CHANGES });
});

rounds('F36 a probe that hangs opens the circuit again', async (round) => {
  const halfOpenCalls = round.random.between(1, 5);
  const timeoutMs = round.random.between(300, 600);
  const { check, mood, reached, act, late, state, halfOpenIsDue, outcomes } = await opened(round, { halfOpenCalls });
  mood('hang');
  const before = reached();
  await halfOpenIsDue();
  const calls = Array.from({ length: 1_000 }, () => act({ timeoutMs }));
  expect(await outcomes(calls)).toEqual({ ERR_CALL_TIMEOUT: halfOpenCalls, ERR_CIRCUIT_OPEN: 1_000 - halfOpenCalls });
  expect(reached() - before).toBe(halfOpenCalls);
  expect(state()).toBe('open');
  await late;
  await check.end({ faults: 3, ...CHANGES });
});

rounds('F36 a late success from before the change of state changes nothing', async (round) => {
  const { check, mood, act, late, state, halfOpenIsDue, supervisor } = await opened(round, { halfOpenCalls: 1 });
  mood('hang');
  await halfOpenIsDue();
  const probe = rejection(act({ timeoutMs: 1_500 }));
  await until('the probe runs', () => state() === 'half-open');
  // Were it heard, this one success would close the circuit.
  expect(await late).toBe('late');
  expect(state()).toBe('half-open');
  expect(await rejection(supervisor.call('fails-when-told', 'late', [1]))).toMatchObject({ code: 'ERR_CIRCUIT_OPEN' });
  expect(await probe).toMatchObject({ code: 'ERR_CALL_TIMEOUT' });
  expect(state()).toBe('open');
  await check.end({ faults: 3, ...CHANGES });
});
