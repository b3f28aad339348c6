/** A rate with a burst, as a token bucket. Pure: `now` is monotonic milliseconds that the caller gives. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  /** Starts full. */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes one, if there is one. */
  take(now: number): boolean {
    return this.#take(now, 1, 1);
  }

  /** Takes `count` if there is any, and owes what is missing: a large one passes too, and others wait longer for it. */
  takeAhead(now: number, count: number): boolean {
    return this.#take(now, count, Number.MIN_VALUE);
  }

  #take(now: number, count: number, least: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#tokens < least) return false;
    this.#tokens -= count;
    return true;
  }
}
