/**
 * A new version under observation, as long as there is an old one to go back to. Ends at the first sign that it is worse; what is then
 * to be done is the rollout's business.
 */
import type { Thresholds } from '../options.ts';
import { compare } from '../resilience/comparison.ts';
import type { Sample } from '../resilience/recent.ts';
import type { Verdict } from './deployment-state.ts';
import type { Deployment } from './deployment.ts';

const JUDGED_EVERY_MS = 100;

export class Trial {
  readonly candidate: Deployment;
  readonly #timer: NodeJS.Timeout;
  readonly #onWorse: (verdict: Verdict) => void;

  /** `baseline`: what the old version does, or did. `onWorse` is called at most once, and never after `end`. */
  constructor(candidate: Deployment, thresholds: Thresholds, baseline: () => Sample, onWorse: (verdict: Verdict) => void) {
    this.candidate = candidate;
    this.#onWorse = onWorse;
    const since = performance.now();
    this.#timer = setInterval(() => {
      const worse = compare(candidate.dispatcher.sample(since), baseline(), thresholds);
      if (worse !== null) this.worse({ ...worse, stderrTail: '' });
    }, JUDGED_EVERY_MS);
    candidate.onTrouble = (verdict) => this.worse(verdict);
  }

  worse(verdict: Verdict): void {
    this.end();
    this.#onWorse(verdict);
  }

  end(): void {
    clearInterval(this.#timer);
    this.candidate.onTrouble = null;
  }
}
