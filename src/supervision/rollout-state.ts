/** The phases of a rollout as data: each with what it owns, and the one function that moves between them. */
import type { Deployment } from './deployment.ts';
import type { Trial } from './trial.ts';
import { clearTimeout } from '../util/timers.ts';

type Phase =
  /** Its manifest is read, and the old version hands over where it must. */
  | { kind: 'preparing' }
  /** It starts, and is held against what it must be. */
  | { kind: 'probing'; candidate: Deployment }
  /** It has a share of the calls, or copies of them. */
  | { kind: 'canary'; candidate: Deployment; trial: Trial }
  /** It has all calls. */
  | { kind: 'promoted' }
  /** What was before is still there. */
  | { kind: 'holding'; candidate: Deployment; before: Deployment; trial: Trial; timer: NodeJS.Timeout }
  | { kind: 'over' };

/** `since`: on the monotonic clock. */
export type RolloutState = Phase & { since: number };

const NEXT: Record<Phase['kind'], readonly Phase['kind'][]> = {
  preparing: ['probing', 'over'],
  probing: ['canary', 'promoted', 'over'],
  canary: ['promoted', 'over'],
  promoted: ['holding', 'over'],
  holding: ['over'],
  over: [],
};

/** Leaves `state`, with all that it owned, for `next`. Throws where that is no way to go. */
export function move(state: RolloutState, next: Phase, now: number): RolloutState {
  if (!NEXT[state.kind].includes(next.kind)) throw new Error(`a rollout cannot go from ${state.kind} to ${next.kind}`);
  if (state.kind === 'canary' || state.kind === 'holding') state.trial.end();
  if (state.kind === 'holding') clearTimeout(state.timer);
  return { ...next, since: now };
}
