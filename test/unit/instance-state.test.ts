import { describe, expect, test } from 'vitest';
import { transition, type InstanceEnd, type Readiness, type State, type Transition } from '../../src/instance/state.ts';

const readiness: Readiness = { pid: 1, startMs: 1, runtime: 'node', methods: new Map() };
const end: InstanceEnd = {
  kind: 'stopped',
  exit: { pid: 1, code: 0, signal: null, cause: 'stopped', detail: null, uptimeMs: 1, rssBytes: null, stderrTail: '', inFlight: [] },
  unanswered: [],
};
const states: State[] = [
  { kind: 'starting' },
  { kind: 'ready', readiness },
  { kind: 'draining', readiness },
  { kind: 'stopping', verdict: { cause: 'stopped', detail: null } },
  { kind: 'exited', end },
];
const events: Transition[] = [
  { kind: 'answered', readiness: { ...readiness, pid: 2 } },
  { kind: 'drain' },
  { kind: 'condemn', verdict: { cause: 'unresponsive', detail: 'silent' } },
  { kind: 'ended', end: { ...end, kind: 'crashed' } },
];

/** What follows, by state and event; `-` is the same state, untouched. */
const TABLE = {
  //          answered  drain       condemn     ended
  starting: ['ready', '-', 'stopping', 'exited'],
  ready: ['-', 'draining', 'stopping', 'exited'],
  draining: ['-', '-', 'stopping', 'exited'],
  stopping: ['-', '-', '-', 'exited'],
  exited: ['-', '-', '-', '-'],
} as const;

describe.each(states)('from $kind', (state) => {
  test.each(events.map((event, i) => [event.kind, TABLE[state.kind][i]!, event] as const))('%s leads to %s', (_, next, event) => {
    const result = transition(state, event);
    if (next === '-') expect(result).toBe(state);
    else expect(result.kind).toBe(next);
  });
});

test('each phase carries what it owns', () => {
  const [answered, drain, condemn, ended] = events as [Transition, Transition, Transition, Transition];
  const ready = transition({ kind: 'starting' }, answered);
  expect(ready).toEqual({ kind: 'ready', readiness: { ...readiness, pid: 2 } });
  const draining = transition(ready, drain);
  expect(draining).toEqual({ kind: 'draining', readiness: { ...readiness, pid: 2 } });
  const stopping = transition(draining, condemn);
  expect(stopping).toEqual({ kind: 'stopping', verdict: { cause: 'unresponsive', detail: 'silent' } });
  expect(transition(stopping, ended)).toEqual({ kind: 'exited', end: { ...end, kind: 'crashed' } });
});

test('the first verdict stands', () => {
  const condemned = transition({ kind: 'ready', readiness }, { kind: 'condemn', verdict: { cause: 'protocol-error', detail: 'first' } });
  expect(transition(condemned, { kind: 'condemn', verdict: { cause: 'unresponsive', detail: 'second' } })).toBe(condemned);
});
