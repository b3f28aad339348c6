/** The last calls of a deployment: when each ended, how long it ran, and whether it failed. Time is an argument; nothing is allocated per call. */

const KEPT = 256;

/** What some calls came to. */
export interface Sample {
  calls: number;
  failures: number;
  p95Ms: number;
}

export class RecentCalls {
  #at: Float64Array | null = null;
  readonly #ranMs = new Float32Array(KEPT);
  readonly #failed = new Uint8Array(KEPT);
  #next = 0;

  add(now: number, ranMs: number, failed: boolean): void {
    this.#at ??= new Float64Array(KEPT).fill(-Infinity);
    this.#at[this.#next] = now;
    this.#ranMs[this.#next] = ranMs;
    this.#failed[this.#next] = failed ? 1 : 0;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** Those that ended at `since` or later. `running`: how long those run by now that have not ended; each will take at least so long. */
  sample(since: number, running: readonly number[] = []): Sample {
    const times = [...running];
    let failures = 0;
    for (let i = 0; i < KEPT && this.#at !== null; i++) {
      if (this.#at[i]! < since) continue;
      times.push(this.#ranMs[i]!);
      failures += this.#failed[i]!;
    }
    times.sort((a, b) => a - b);
    return { calls: times.length, failures, p95Ms: times[Math.ceil((times.length * 95) / 100) - 1] ?? 0 };
  }
}
