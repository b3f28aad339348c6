/**
 * When things are too many: sliding windows over monotonic milliseconds that the caller gives. They count and judge; what follows
 * from the judgement is decided elsewhere (breaker, restart policy).
 *
 * 1. Memory is that of the events in the window, however large the limit: who allows a billion restarts pays for those that happen.
 * 2. An event is in the window while it is younger than the interval; at exactly the interval it is out.
 */

const FIRST_RING = 16;

/** `limit` events within `intervalMs` are too many. Exact: it keeps the time of each of the last `limit` events that are in the window. */
export class EventWindow {
  readonly #limit: number;
  readonly #intervalMs: number;
  /** A ring: the next event takes the place of the oldest. */
  #times: Float64Array;
  #next = 0;

  constructor(limit: number, intervalMs: number) {
    this.#limit = limit;
    this.#intervalMs = intervalMs;
    this.#times = new Float64Array(Math.min(limit, FIRST_RING)).fill(-Infinity);
  }

  /** Counts one event; true when it is the one too many. */
  add(now: number): boolean {
    if (this.#times.length < this.#limit && this.#covers(this.#times[this.#next]!, now)) this.#grow();
    this.#times[this.#next] = now;
    this.#next = (this.#next + 1) % this.#times.length;
    return this.#times.length === this.#limit && this.#covers(this.#times[this.#next]!, now);
  }

  count(now: number): number {
    let count = 0;
    for (const time of this.#times) if (this.#covers(time, now)) count++;
    return count;
  }

  clear(): void {
    this.#times.fill(-Infinity);
  }

  /** The oldest first, so that the room made comes after the newest. */
  #grow(): void {
    const old = this.#times;
    this.#times = new Float64Array(Math.min(this.#limit, 2 * old.length)).fill(-Infinity);
    this.#times.set(old.subarray(this.#next));
    this.#times.set(old.subarray(0, this.#next), old.length - this.#next);
    this.#next = old.length;
  }

  #covers(time: number, now: number): boolean {
    return now - time < this.#intervalMs;
  }
}

const BUCKETS = 10;

/**
 * A share of failures at or over `ratio` is too much, once `minimum` calls are in the window. The window moves in steps of a tenth
 * of the interval, so it covers nine to ten tenths of it.
 */
export class RatioWindow {
  readonly #ratio: number;
  readonly #minimum: number;
  readonly #bucketMs: number;
  readonly #calls = new Float64Array(BUCKETS);
  readonly #failures = new Float64Array(BUCKETS);
  #tick = 0;
  #totalCalls = 0;
  #totalFailures = 0;

  constructor(ratio: number, minimum: number, intervalMs: number) {
    this.#ratio = ratio;
    this.#minimum = minimum;
    this.#bucketMs = intervalMs / BUCKETS;
  }

  /** Counts one call; true when the share of failures is too high now, which a success may make visible by completing `minimum`. */
  add(failed: boolean, now: number): boolean {
    this.#advance(now);
    const bucket = this.#tick % BUCKETS;
    this.#calls[bucket]!++;
    this.#totalCalls++;
    if (failed) {
      this.#failures[bucket]!++;
      this.#totalFailures++;
    }
    return this.#totalFailures > 0 && this.#totalCalls >= this.#minimum && this.#totalFailures / this.#totalCalls >= this.#ratio;
  }

  failures(now: number): number {
    this.#advance(now);
    return this.#totalFailures;
  }

  clear(): void {
    this.#calls.fill(0);
    this.#failures.fill(0);
    this.#totalCalls = 0;
    this.#totalFailures = 0;
  }

  #advance(now: number): void {
    const tick = Math.floor(now / this.#bucketMs);
    for (let passed = Math.min(tick - this.#tick, BUCKETS); passed > 0; passed--) {
      const bucket = (tick - passed + 1) % BUCKETS;
      this.#totalCalls -= this.#calls[bucket]!;
      this.#totalFailures -= this.#failures[bucket]!;
      this.#calls[bucket] = 0;
      this.#failures[bucket] = 0;
    }
    this.#tick = Math.max(tick, this.#tick);
  }
}
