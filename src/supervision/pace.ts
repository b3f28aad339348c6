/** How fast calls are answered, and so when another one may find a place. */

/** Weight of the newest call in the mean. */
const MEAN_WEIGHT = 0.1;
const MIN_RETRY_AFTER_MS = 10;
const MAX_RETRY_AFTER_MS = 10_000;

export class Pace {
  readonly #concurrency: number;
  #meanMs = 1;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  add(runningMs: number): void {
    this.#meanMs += MEAN_WEIGHT * (runningMs - this.#meanMs);
  }

  /** How long a queue of `waiting` calls takes to move on by a tenth, as the last calls went. */
  retryAfterMs(waiting: number): number {
    const estimate = (this.#meanMs * Math.max(1, waiting / 10)) / this.#concurrency;
    return Math.ceil(Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, estimate)));
  }
}
