/**
 * A new version under observation, as long as there is an old one to go back to. Ends at the first sign that it is worse; what is then
 * to be done is the rollout's business.
 */
import type { Thresholds } from '../options.ts';
import { type Compared, failsMore, isSlower, isSlowerBeside, seemsSlower, type ComparedCall, type Worse } from '../resilience/comparison.ts';
import type { Contention } from './contention.ts';
import type { Verdict } from './deployment-state.ts';
import type { Deployment } from './deployment.ts';
import { SideBySide } from './side-by-side.ts';
import type { Shadow } from './shadow.ts';
import { clearInterval, performance, setInterval } from '../util/timers.ts';

const JUDGED_EVERY_MS = 100;
/** Judgements in a row that must agree: what lasts for less is a moment of the machine's. Fewer for calls at the same time. */
const AGREEING = 3;
const AGREEING_BESIDE = 2;
/** How long the same calls are waited for on both versions, before the old one's times of before have to do. */
const BESIDE_MS = 500;
/** How far back the old version's calls are looked at, where it has none beside the new one. */
const BASELINE_MS = 60_000;

export interface TrialOptions {
  candidate: Deployment;
  stable: Deployment;
  thresholds: Thresholds;
  contention: Contention;
  /** The old version has no calls of its own any more. */
  isHeld: boolean;
  /** Called at most once, and never after `end`. */
  onWorse(verdict: Verdict): void;
}

export class Trial {
  readonly #options: TrialOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #begunAt = performance.now();
  /** The candidate's calls before are not judged. */
  #since = this.#begunAt;
  /** What the old version's calls came to; null where they are those of the same time. */
  #baseline: readonly ComparedCall[] | null = null;
  #agreeing = 0;
  #beside: SideBySide | null = null;

  constructor(options: TrialOptions) {
    this.#options = options;
    const { candidate, stable, isHeld } = options;
    options.contention.watch(candidate);
    if (isHeld) this.#baseline = this.#calls(stable, this.#begunAt - BASELINE_MS);
    this.#timer = setInterval(() => this.#judge(), JUDGED_EVERY_MS);
    candidate.onTrouble = (verdict) => {
      // Its circuit is open because of what fails on the old version as well.
      if (verdict.reason !== 'circuit-open' || !this.#failsOnBoth()) this.#end(verdict);
    };
  }

  /** The copies that it wants of calls to the candidate. */
  get copies(): Shadow | null {
    return this.#beside?.copies ?? null;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#options.candidate.onTrouble = null;
    this.#beside = null;
  }

  #judge(): void {
    const { candidate, stable, thresholds, contention } = this.#options;
    contention.read();
    const calls = this.#calls(candidate, this.#since);
    const compared = { candidate: calls, stable: this.#baseline ?? this.#calls(stable, this.#since) };
    const slower = this.#baseline === null ? isSlowerBeside(compared, thresholds) : this.#slowerThanBefore(compared, this.#baseline);
    const worse = failsMore(compared, this.#again(), thresholds) ?? slower;
    this.#agreeing = worse === null ? 0 : this.#agreeing + 1;
    if (worse !== null && this.#agreeing >= (this.#beside === null ? AGREEING : AGREEING_BESIDE)) this.#end({ ...worse, stderrTail: '' });
  }

  /** As soon as it seems slower the old version is asked the same at the same time, where it may be. */
  #slowerThanBefore(compared: Compared, baseline: readonly ComparedCall[]): Worse | null {
    const { candidate, stable, thresholds, contention } = this.#options;
    const isInDoubt = seemsSlower(compared, thresholds);
    if (!isInDoubt || !stable.isServing || stable.isQuiesced) {
      this.#beside = null;
      return isInDoubt ? isSlower(compared, thresholds) : null;
    }
    this.#beside ??= new SideBySide(candidate, stable, contention);
    const beside = this.#beside.compared();
    if (beside.stable.length < Math.max(1, thresholds.minCalls))
      return performance.now() - this.#beside.begunAt < BESIDE_MS ? null : isSlower(compared, thresholds);
    const slower = isSlowerBeside(beside, thresholds);
    if (slower !== null || beside.stable.length < 2 * thresholds.minCalls) return slower;
    // Both are as slow: from now on it is compared with what the old one does now.
    this.#baseline = [...baseline, ...beside.stable];
    this.#since = performance.now();
    this.#beside = null;
    return null;
  }

  #end(verdict: Verdict): void {
    this.end();
    this.#options.onWorse(verdict);
  }

  #calls(deployment: Deployment, since: number): ComparedCall[] {
    return this.#options.contention.compared(deployment, deployment.dispatcher.recentCalls(since));
  }

  /** Calls that failed on the candidate, and then ran on the old version. */
  #again(): readonly { failed: boolean }[] {
    return this.#options.stable.dispatcher.recentCalls(this.#begunAt).filter(({ isSecond }) => isSecond);
  }

  #failsOnBoth(): boolean {
    const again = this.#again();
    return again.filter(({ failed }) => failed).length * 2 > again.length;
  }
}
