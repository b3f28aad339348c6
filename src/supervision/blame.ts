/** Which of the calls that a death took along is told to the breaker as its one failure. */
import type { InstanceEnd } from '../instance/state.ts';
import type { Call } from './call.ts';

/** The newest: the breaker does not hear of an older generation. Null where the death was our choice. */
export function blamed(calls: readonly Call[], end: InstanceEnd): Call | null {
  if (end.kind === 'stopped' || end.exit.cause === 'cancel-ignored') return null;
  return calls.reduce<Call | null>((newest, call) => (newest === null || call.generation > newest.generation ? call : newest), null);
}
