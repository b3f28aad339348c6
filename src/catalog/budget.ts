/** A bound on work over data from outside. */
export class Budget {
  #left: number;

  constructor(steps: number) {
    this.#left = steps;
  }

  /** Throws `TooLarge` when that is more than is left: whatever was being looked at is given up at once. */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new TooLarge();
  }
}

export class TooLarge extends Error {}
