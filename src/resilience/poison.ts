/**
 * Calls that take their plugin down: the same call, by method and arguments, in flight at one death after another. Pure: `now` is
 * monotonic milliseconds that the caller gives, and what makes two calls the same is the caller's.
 *
 * 1. A success clears its call: what only happened to be in flight is not held against it.
 * 2. A call whose time is over may be tried again; one more death refuses it again.
 * 3. No more than `MAX_SUSPECTS` are remembered; the ones seen longest ago are forgotten first.
 */
export interface PoisonOptions {
  /** Deaths that make a call poisonous; 0 is never. */
  poisonAfter: number;
  /** How long it is refused. */
  poisonMs: number;
}

interface Suspect {
  deaths: number;
  refusedUntil: number;
}

const MAX_SUSPECTS = 1_000;

export class PoisonList {
  readonly #options: PoisonOptions;
  readonly #suspects = new Map<string, Suspect>();

  constructor(options: PoisonOptions) {
    this.#options = options;
  }

  /** While nothing died there is nothing to look up, so that calls cost nothing. */
  get isEmpty(): boolean {
    return this.#suspects.size === 0;
  }

  /** `key` was in flight at a death. Returns the number of deaths when that makes it poisonous, else 0. */
  died(key: string, now: number): number {
    const { poisonAfter, poisonMs } = this.#options;
    if (poisonAfter === 0) return 0;
    const deaths = (this.#suspects.get(key)?.deaths ?? 0) + 1;
    const poisonous = deaths >= poisonAfter;
    this.#suspects.delete(key);
    this.#suspects.set(key, { deaths, refusedUntil: poisonous ? now + poisonMs : -Infinity });
    if (this.#suspects.size > MAX_SUSPECTS) this.#suspects.delete(this.#suspects.keys().next().value!);
    return poisonous ? deaths : 0;
  }

  succeeded(key: string): void {
    this.#suspects.delete(key);
  }

  /** Why `key` is refused at `now`; null when it is not. */
  refusal(key: string, now: number): { deaths: number; retryAfterMs: number } | null {
    const suspect = this.#suspects.get(key);
    if (suspect === undefined || suspect.refusedUntil <= now) return null;
    return { deaths: suspect.deaths, retryAfterMs: Math.ceil(suspect.refusedUntil - now) };
  }

  /** What is refused at `now`. */
  refused(now: number): { key: string; deaths: number; retryAfterMs: number }[] {
    return [...this.#suspects.keys()].flatMap((key) => {
      const refusal = this.refusal(key, now);
      return refusal === null ? [] : [{ key, ...refusal }];
    });
  }

  clear(): void {
    this.#suspects.clear();
  }
}
