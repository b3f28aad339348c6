/**
 * Which calls belong to a share of the traffic. Those with a key by their key, so that a caller who is in at 5 % is in at 50 % too;
 * those without in turn, so that of any hundred exactly so many are in.
 */
import { hashOf } from './hash.ts';

const BUCKETS = 10_000;

export class Share {
  #percent: number;
  #owed = 0;

  constructor(percent: number) {
    this.#percent = percent;
  }

  /** Never smaller than before within one rollout, or keys would go back and forth. */
  set percent(percent: number) {
    this.#percent = percent;
  }

  takes(key: string | undefined): boolean {
    if (key !== undefined) return hashOf(key) % BUCKETS < (this.#percent * BUCKETS) / 100;
    this.#owed += this.#percent;
    if (this.#owed < 100) return false;
    this.#owed -= 100;
    return true;
  }
}
