/** What a deployment is given, the phases of its life with what each owns, and what its end comes to. */
import type { Release } from '../catalog/release.ts';
import { describeExit, PluginUnavailableError, type ChameleonError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Spares } from '../instance/spares.ts';
import type { InstanceEnd } from '../instance/state.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import type { Limiter } from '../resilience/limiter.ts';
import type { ByteBudget } from '../resilience/queue.ts';
import type { IntakeBudget } from '../rpc/intake.ts';
import type { ExitCause, ExitFacts, RolloutReason } from '../types.ts';
import type { Call } from './call.ts';

export interface DeploymentOptions {
  release: Release;
  options: ResolvedPluginOptions;
  /** Give up when the first instance does not become ready. */
  once: boolean;
  /** Start its children only for the first call. */
  asleep: boolean;
  /** For its first children, seat by seat: what the version before handed over. */
  states?: readonly unknown[] | undefined;
  emit: Emit;
  /** Bounds how many children of the whole supervisor start at a time. */
  starts: Limiter;
  spares: Spares;
  /** Bytes that wait in all deployments together. */
  total: ByteBudget;
  /** Bytes that were received from all their children and are not delivered. */
  intake: IntakeBudget;
  random(): number;
  /** Why the release must not be started now; null when it may. */
  verify(release: Release): Promise<Refusal | null>;
  onFailure(call: Call, error: ChameleonError, mayRetry: boolean): void;
  onReturned(call: Call): void;
}

export type State =
  | { kind: 'starting' }
  | { kind: 'running' }
  | { kind: 'restarting' }
  /** It has no children since nobody called; the next call starts them. */
  | { kind: 'idle' }
  | { kind: 'failed'; error: ChameleonError }
  | { kind: 'draining' }
  | { kind: 'stopped' };

/** Why a release is not started. */
export interface Refusal {
  error: ChameleonError;
  /** It could not be looked at, for want of descriptors or memory: that may pass. */
  isShortage: boolean;
}

/** Why a version is worse than the one before. */
export interface Verdict {
  reason: RolloutReason;
  detail: string;
  stderrTail: string;
}

/** What stopping came to. */
export interface StopReport {
  stopped: number;
  killed: number;
  abandonedCalls: number;
}

/** Adds what became of some instances that were stopped. */
export function addEnds(report: StopReport, ends: readonly InstanceEnd[]): void {
  for (const end of ends) {
    report.abandonedCalls += end.unanswered.length;
    if (end.exit.signal === 'SIGKILL') report.killed++;
    else report.stopped++;
  }
}

/** What calls are told while there is no child. */
export function downError({ name: plugin, version }: Release, cause: ExitCause): ChameleonError {
  return new PluginUnavailableError({ plugin, version }, `down (${cause})`);
}

export function verdictOf(exit: ExitFacts): Verdict {
  const isMemory = exit.cause === 'memory-limit' || exit.cause === 'out-of-memory';
  return { reason: isMemory ? 'memory-limit' : 'crashed', detail: describeExit(exit), stderrTail: exit.stderrTail };
}
