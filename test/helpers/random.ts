/** What is random in a test, and comes again with the same seed. */

/** The seed of a run that asks for one of its own: every random choice of every test follows from it. */
export const GIVEN_SEED: number | null = process.env['CHAMELEON_TEST_SEED'] === undefined ? null : Number(process.env['CHAMELEON_TEST_SEED']);

/** mulberry32. Whoever draws while others do, such as a timer, takes a stream of its own, so that no order of events changes what is drawn. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number = GIVEN_SEED ?? Math.floor(Math.random() * 2 ** 31)) {
    this.seed = seed;
    this.#state = seed | 0;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    return items.map(() => left.splice(this.below(left.length), 1)[0]!);
  }

  /** Another one, which draws for itself. */
  stream(): Random {
    return new Random(this.below(2 ** 31));
  }

  /** Passes after a moment of `least` to `most` milliseconds. */
  async moment(least: number, most: number): Promise<void> {
    const ms = this.between(least, most);
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}
