/** How long something had to wait for the machine, as a log of readings. Time is an argument. */

/** More than a minute of them, at one in 25 ms. */
const KEPT = 4_096;

export class Waits {
  readonly #at = new Float64Array(KEPT).fill(-Infinity);
  /** Until then, since the first reading. */
  readonly #totalMs = new Float64Array(KEPT);
  #next = 0;
  #last = 0;

  /** `waitedMs` passed in waiting since the reading before. */
  add(now: number, waitedMs: number): void {
    this.#last += waitedMs;
    this.#at[this.#next % KEPT] = now;
    this.#totalMs[this.#next % KEPT] = this.#last;
    this.#next++;
  }

  /** The most that can have been waited from `from` to `to`: a reading that lies half outside counts in full. */
  between(from: number, to: number): number {
    const oldest = Math.max(0, this.#next - KEPT);
    const before = this.#first(from, true) - 1;
    const after = this.#first(to, false);
    const until = after >= this.#next ? this.#last : this.#totalMs[after % KEPT]!;
    return until - (before < oldest ? 0 : this.#totalMs[before % KEPT]!);
  }

  /** Number of the first reading after `time`, or at it too; the next number where there is none. */
  #first(time: number, isAfter: boolean): number {
    let low = Math.max(0, this.#next - KEPT);
    let high = this.#next;
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = this.#at[middle % KEPT]!;
      if (isAfter ? at > time : at >= time) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
