/** The errors of rollouts: why one version did not take the place of another. */
import { ChameleonError, type ErrorSubject } from './error-base.ts';
import type { RolloutReason, RolloutResult } from './types.ts';

export class ReloadFailedError extends ChameleonError {
  readonly code = 'ERR_RELOAD_FAILED';
  readonly from: string;
  readonly to: string;
  readonly result: RolloutResult;
  constructor(result: RolloutResult & { from: string }, cause: Error) {
    super(
      `${result.plugin}: the switch from ${result.from} to ${result.to} was given up, ${result.from} stays active: ${cause.message}`,
      { plugin: result.plugin, version: result.to },
      cause,
    );
    this.from = result.from;
    this.to = result.to;
    this.result = result;
  }
}

export class ContractError extends ChameleonError {
  readonly code = 'ERR_CONTRACT';
  readonly changes: readonly string[];
  constructor(plugin: string, from: string, to: string, changes: readonly string[]) {
    super(`${plugin}@${to} takes away what callers of ${from} use; give it back, or load it with force\n  ${changes.join('\n  ')}`, {
      plugin,
      version: to,
    });
    this.changes = changes;
  }
}

/** A new version had calls, and was worse than the old one. */
export class RolledBackError extends ChameleonError {
  readonly code = 'ERR_ROLLED_BACK';
  readonly reason: RolloutReason;
  readonly stderrTail: string;
  constructor(subject: ErrorSubject, reason: RolloutReason, detail: string, stderrTail: string) {
    super(`${subject.plugin}@${subject.version} was taken back (${reason}): ${detail}`, subject);
    this.reason = reason;
    this.stderrTail = stderrTail;
  }
}

export class RolloutSupersededError extends ChameleonError {
  readonly code = 'ERR_ROLLOUT_SUPERSEDED';
  constructor(plugin: string, version?: string) {
    super('another rollout of this plugin took the place of this one', version === undefined ? { plugin } : { plugin, version });
  }
}

/** The old version could not hand over, with the strategy `exclusive`. */
export class QuiesceFailedError extends ChameleonError {
  readonly code = 'ERR_QUIESCE_FAILED';
  constructor(plugin: string, version: string, reason: string, cause?: unknown) {
    super(`${plugin}@${version} did not hand over: onQuiesce() ${reason}; it serves on`, { plugin, version }, cause);
  }
}

/** Why a rollout was given up, by what was thrown. */
export function reasonOf(error: ChameleonError): RolloutReason {
  if (error instanceof RolledBackError) return error.reason;
  if (error instanceof ContractError) return 'contract';
  if (error instanceof RolloutSupersededError) return 'superseded';
  return error.code === 'ERR_SUPERVISOR_CLOSED' ? 'closed' : error instanceof QuiesceFailedError ? 'quiesce-failed' : 'start-failed';
}
