/**
 * Which calls belong to a share of the traffic. Those with a key by their key, so that a caller who is in at 5 % is in at 50 % too;
 * those without in turn, so that of any hundred exactly so many are in.
 */

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
    if (key !== undefined) return bucket(key) < (this.#percent * BUCKETS) / 100;
    this.#owed += this.#percent;
    if (this.#owed < 100) return false;
    this.#owed -= 100;
    return true;
  }
}

/** FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
function bucket(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % BUCKETS;
}
