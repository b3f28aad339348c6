/** Events → log lines: every kind of event has its line, with its facts as fields. */
import { describe, expect, test } from 'vitest';
import { ReloadFailedError, StartTimeoutError, type RolloutResult, type SupervisorEvent } from '../../src/index.ts';
import { logTo } from '../../src/telemetry/log.ts';
import type { ExitFacts, LogLevel } from '../../src/types.ts';

const subject = { plugin: 'hello', version: '1.0.0' };
const exit: ExitFacts = {
  pid: 1,
  code: null,
  signal: 'SIGKILL',
  cause: 'signal',
  detail: null,
  uptimeMs: 5,
  rssBytes: null,
  stderrTail: '',
  inFlight: [],
};
const error = new StartTimeoutError('was not ready in time', subject, { phase: 'init', hint: 'look into init' });
const result: RolloutResult & { from: string } = {
  outcome: 'rolled-back',
  plugin: 'hello',
  from: '0.9.0',
  to: '1.0.0',
  reason: 'slow',
  detail: 'it took ages',
  phases: [],
  outageMs: 0,
  stderrTail: '',
  shadow: null,
};

const lines: [LogLevel, RegExp, SupervisorEvent][] = [
  ['debug', /^starting/, { kind: 'instance-starting', instance: 'i', ...subject }],
  ['info', /^ready in 12 ms/, { kind: 'instance-ready', instance: 'i', pid: 1, startMs: 12, ...subject }],
  ['info', /^stopped .*SIGKILL/, { kind: 'instance-stopped', instance: 'i', exit, ...subject }],
  ['error', /^crashed .*SIGKILL/, { kind: 'instance-crashed', instance: 'i', exit, ...subject }],
  ['error', /look into init/, { kind: 'instance-start-failed', instance: 'i', error, ...subject }],
  ['warn', /memory-limit/, { kind: 'instance-replacing', instance: 'i', reason: 'memory-limit', ...subject }],
  ['warn', /^restarting in 50 ms/, { kind: 'restart-scheduled', delayMs: 50, restarts: 2, ...subject }],
  ['error', /^given up/, { kind: 'plugin-failed', error, retryAfterMs: null, ...subject }],
  ['info', /^active$/, { kind: 'plugin-activated', from: null, ...subject }],
  ['info', /^active in place of 0\.9\.0/, { kind: 'plugin-activated', from: '0.9.0', ...subject }],
  ['error', /look into init/, { kind: 'reload-failed', from: '0.9.0', error: new ReloadFailedError(result, error), ...subject }],
  ['error', /^taken back, 0\.9\.0 is active again \(slow\): it took ages/, { kind: 'rolled-back', from: '0.9.0', result, ...subject }],
  ['debug', /^rollout: canary/, { kind: 'rollout-phase', from: '0.9.0', phase: 'canary', ...subject }],
  ['info', /^started, since a call/, { kind: 'started-on-demand', ...subject }],
  ['info', /^stopped, since nobody called/, { kind: 'idle-stopped', ...subject }],
  ['info', /^ready again, 42 ms after/, { kind: 'woken', ...subject, wakingMs: 41.7 }],
  ['error', /not followed .*: no space/, { kind: 'watch-failed', message: 'no space' }],
  ['warn', /^others may write/, { kind: 'folder-exposed', path: '/p', message: 'others may write' }],
  ['warn', /^nothing is remembered/, { kind: 'state-lost', message: 'nothing is remembered' }],
  ['info', /^unloaded/, { kind: 'plugin-unloaded', ...subject }],
  ['warn', /^drain timeout: 1 /, { kind: 'drain-timeout', calls: [{ id: 1, method: 'greet' }], ...subject }],
  ['error', /look into init/, { kind: 'free-failed', error, ...subject }],
  ['warn', /closed → open/, { kind: 'breaker-changed', from: 'closed', to: 'open', ...subject }],
  ['info', /half-open → closed/, { kind: 'breaker-changed', from: 'half-open', to: 'closed', ...subject }],
  ['debug', /stray/, { kind: 'stray-answer', instance: 'i', reason: 'an answer to 3', ...subject }],
  ['error', /look into init/, { kind: 'plugin-refused', path: '/p', error }],
  ['warn', /2 processes/, { kind: 'orphans-swept', pids: [1, 2] }],
];

function said(level: LogLevel, event: SupervisorEvent): { level: LogLevel; message: string; fields: object | undefined }[] {
  const all: ReturnType<typeof said> = [];
  const at = (each: LogLevel) => (message: string, fields?: object) => void all.push({ level: each, message, fields });
  logTo({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, level)(event);
  return all;
}

describe('an event', () => {
  test.each(lines.map(([level, message, event]) => [event.kind, level, message, event] as const))(
    '%s is a line at %s',
    (kind, level, message, event) => {
      const [line, ...more] = said('debug', event);
      expect(more).toEqual([]);
      expect(line).toMatchObject({ level, message: expect.stringMatching(message) as string, fields: { event: kind } });
      const { kind: _, message: said_, ...facts } = event as SupervisorEvent & { message?: string };
      expect(line!.fields).toMatchObject(facts);
      expect(said_ === undefined || line!.message.includes(said_)).toBe(true);
    },
  );

  test('that is less severe than the level is no line', () => {
    const order: LogLevel[] = ['error', 'warn', 'info', 'debug'];
    for (const at of order)
      for (const [level, , event] of lines) expect(said(at, event)).toHaveLength(order.indexOf(level) <= order.indexOf(at) ? 1 : 0);
  });
});

test('what a plugin prints goes through as it came, its fields under `fields`, with whose it is', () => {
  const record = { level: 'warn', message: 'careful', plugin: 'hello', version: '1.0.0', pid: 9, stream: 'stderr', fields: { n: 1 } } as const;
  expect(said('info', { kind: 'log', record })).toEqual([
    { level: 'warn', message: 'careful', fields: { fields: { n: 1 }, plugin: 'hello', version: '1.0.0', pid: 9, stream: 'stderr' } },
  ]);
});
