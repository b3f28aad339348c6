/**
 * Bytes of messages that were received and are not delivered yet, bounded for all senders together. Knows nothing of messages.
 *
 * 1. Together they hold at most `limit`. A sender may exceed it while no other holds anything: one message has its own bound.
 * 2. A sender holds no more than it leaves, so that it cannot take the room of all others.
 */
export class IntakeBudget {
  limit: number;
  /** By all senders together. */
  held = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  intake(): Intake {
    return new Intake(this);
  }
}

/** What one sender holds of it. */
export class Intake {
  readonly #budget: IntakeBudget;
  #held = 0;
  #isClosed = false;

  constructor(budget: IntakeBudget) {
    this.#budget = budget;
  }

  get limit(): number {
    return this.#budget.limit;
  }

  /** False, and nothing is taken, where there is no room for so much more. */
  take(bytes: number): boolean {
    if (this.#isClosed) return true;
    const others = this.#budget.held - this.#held;
    const own = this.#held + bytes;
    if (others > 0 && own > this.#budget.limit - others - own) return false;
    this.#held = own;
    this.#budget.held += bytes;
    return true;
  }

  give(bytes: number): void {
    if (this.#isClosed) return;
    this.#held -= bytes;
    this.#budget.held -= bytes;
  }

  /** Gives back all that it holds. From now on it holds nothing. */
  close(): void {
    this.give(this.#held);
    this.#isClosed = true;
  }
}
