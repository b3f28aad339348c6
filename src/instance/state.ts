/** The life of one child as data: each phase with what it owns, and the one function that moves between them. */
import type { ChameleonError } from '../errors.ts';
import type { PendingCall } from '../rpc/channel.ts';
import type { ExitCause, ExitFacts, MethodInfo } from '../types.ts';

/** How a life ended, with the calls that it left without an answer. */
export type InstanceEnd =
  | { kind: 'stopped'; exit: ExitFacts; unanswered: PendingCall[] }
  | { kind: 'crashed'; exit: ExitFacts; unanswered: PendingCall[] }
  | { kind: 'unresponsive'; exit: ExitFacts; unanswered: PendingCall[] }
  /** `isShortage`: the system had no room for it. */
  | { kind: 'start-failed'; exit: ExitFacts; unanswered: PendingCall[]; error: ChameleonError; isShortage: boolean };

/** What a child said of itself when it became ready. */
export interface Readiness {
  pid: number;
  startMs: number;
  runtime: string;
  methods: ReadonlyMap<string, MethodInfo>;
}

/** Why we ended it; the first reason stands. */
export interface Verdict {
  cause: ExitCause;
  detail: string | null;
}

export type State =
  | { kind: 'starting' }
  | { kind: 'ready'; readiness: Readiness }
  | { kind: 'draining'; readiness: Readiness }
  | { kind: 'stopping'; verdict: Verdict }
  | { kind: 'exited'; end: InstanceEnd };

export type Transition =
  { kind: 'answered'; readiness: Readiness } | { kind: 'drain' } | { kind: 'condemn'; verdict: Verdict } | { kind: 'ended'; end: InstanceEnd };

/** The state after `event`; the same state where the event comes too late to matter. */
export function transition(state: State, event: Transition): State {
  switch (event.kind) {
    case 'answered':
      return state.kind === 'starting' ? { kind: 'ready', readiness: event.readiness } : state;
    case 'drain':
      return state.kind === 'ready' ? { kind: 'draining', readiness: state.readiness } : state;
    case 'condemn':
      return state.kind === 'stopping' || state.kind === 'exited' ? state : { kind: 'stopping', verdict: event.verdict };
    case 'ended':
      return state.kind === 'exited' ? state : { kind: 'exited', end: event.end };
  }
}
