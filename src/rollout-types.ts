/**
 * How one version takes the place of another: what a host asks for, and what it is told. Imports nothing, does nothing.
 */

export interface RolloutOptions {
  /**
   * `overlap`: the new version starts beside the old one, which serves until then. `exclusive`, for a plugin that owns a port or a lock:
   * calls wait while the old one quiesces and the new one starts with its state. Default `overlap`.
   */
  strategy?: 'overlap' | 'exclusive';
  /**
   * How long the version that was replaced stays warm, to be brought back at once when the new one crashes, opens its circuit or is worse
   * than the thresholds of `canary`. Default 30 000; 0 retires it at once. A reload of the same version holds nothing unless it is given.
   */
  holdMs?: number;
  /** A share of the calls goes to the new version before all do. */
  canary?: CanaryOptions;
  /** Copies of calls go to the new version before any does. */
  shadow?: ShadowOptions;
}

/** Without `percent` and `steps` there is no canary, and the thresholds are those of the hold. */
export interface CanaryOptions {
  /** Share of the calls that goes to the new version: one step. Calls of one `key` take the same way throughout. */
  percent?: number;
  /** How long that step lasts. Default 30 000. */
  forMs?: number;
  /** Several steps, in place of `percent`. */
  steps?: CanaryStep[];
  /** By how much the new version's share of failed calls may exceed the old one's. Null: not looked at. Default 0.05. */
  maxFailureRatio?: number | null;
  /** How many times the old version's 95th percentile the new one's may be, once it is 20 ms more. Null: not looked at. Default 3. */
  maxP95Ratio?: number | null;
  /** Calls that the new version must have had before it is judged. Default 20. */
  minCalls?: number;
}

export interface CanaryStep {
  percent: number;
  forMs: number;
}

/** Only calls of methods that are declared `readonly` are copied. Nobody waits for a copy, and its answer is seen by no caller. */
export interface ShadowOptions {
  /** Share of such calls that is copied. */
  percent: number;
  /** Whether the answers are compared. Default true. */
  compare?: boolean;
  /** How long, where there is no canary that says so. Default 30 000. */
  forMs?: number;
}

/** What copies of calls came to. */
export interface ShadowReport {
  calls: number;
  failed: number;
  /** Answers that were not what the serving version answered. */
  differing: number;
  /** The first few of them, each answer as at most 1 KiB of JSON. */
  samples: { method: string; served: string; shadowed: string }[];
}

export type RolloutPhase = 'preparing' | 'probing' | 'canary' | 'promoted' | 'holding' | 'retired';

/** Why a rollout did not end as it was meant to. */
export type RolloutReason =
  | 'start-failed'
  | 'contract'
  | 'quiesce-failed'
  | 'crashed'
  | 'circuit-open'
  | 'memory-limit'
  | 'failure-ratio'
  | 'slow'
  | 'superseded'
  | 'operator'
  | 'closed';

export interface RolloutResult {
  /** `failed`: it never took the place of the old version. `rolled-back`: it had calls, and the old version has them again. */
  outcome: 'promoted' | 'rolled-back' | 'failed';
  plugin: string;
  /** The version that was active before; null for a first version. */
  from: string | null;
  to: string;
  /** Null for `promoted`. */
  reason: RolloutReason | null;
  /** The reason in words, where more is known than its name. */
  detail: string | null;
  /** Those that are over, in their order. */
  phases: { name: RolloutPhase; ms: number }[];
  /** How long calls had to wait, with the strategy `exclusive`; else 0. */
  outageMs: number;
  /** The last lines that the new version wrote on stderr, where it died. */
  stderrTail: string;
  /** Null without `shadow`. */
  shadow: ShadowReport | null;
}

/** The rollout that is under way, or whose old version is still held. */
export interface RolloutStatus {
  phase: RolloutPhase;
  from: string | null;
  /** Null until its manifest was read. */
  to: string | null;
}
