/** The last calls of a deployment: when each ended, how long it ran, and whether it failed. Time is an argument; nothing is allocated per call. */

const KEPT = 256;

/** A call that ended, or one that still runs, with the time that it has run so far. */
export interface RecentCall {
  method: string;
  /** On the monotonic clock; now, for one that still runs. */
  endedAt: number;
  ranMs: number;
  failed: boolean;
  /** It had failed on another version before. */
  isSecond: boolean;
}

export class RecentCalls {
  #at: Float64Array | null = null;
  readonly #ranMs = new Float32Array(KEPT);
  readonly #failed = new Uint8Array(KEPT);
  readonly #isSecond = new Uint8Array(KEPT);
  readonly #method: string[] = [];
  #next = 0;

  add(now: number, method: string, ranMs: number, failed: boolean, isSecond = false): void {
    this.#at ??= new Float64Array(KEPT).fill(-Infinity);
    this.#at[this.#next] = now;
    this.#method[this.#next] = method;
    this.#ranMs[this.#next] = ranMs;
    this.#failed[this.#next] = failed ? 1 : 0;
    this.#isSecond[this.#next] = isSecond ? 1 : 0;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** Those that ended at `since` or later, the oldest first. */
  since(since: number): RecentCall[] {
    const calls: RecentCall[] = [];
    for (let i = 0; i < KEPT && this.#at !== null; i++) {
      const at = (this.#next + i) % KEPT;
      const endedAt = this.#at[at]!;
      if (endedAt < since) continue;
      const [failed, isSecond] = [this.#failed[at] === 1, this.#isSecond[at] === 1];
      calls.push({ method: this.#method[at]!, endedAt, ranMs: this.#ranMs[at]!, failed, isSecond });
    }
    return calls;
  }
}
