/**
 * The retry budget of one plugin: a token bucket filled by first attempts and emptied by retries, so that retries stay a share of
 * the traffic and cannot multiply an outage. Decides how many; what may be retried at all is the caller's business.
 *
 * 1. Retries ever granted ≤ RESERVE + budgetRatio × first attempts.
 * 2. No more than CAP retries are ever granted without a first attempt in between.
 */

/** Retries granted in advance, so that a plugin which is seldom called may retry too. None when the ratio is 0. */
export const RESERVE = 3;
/** Retries that a calm time may save up: a long one is not to pay for a storm. */
export const CAP = 100;
/** Millionths, whole: ten deposits of 0.1 are then one retry and not 0.9999999999999999 of one. */
const TOKEN = 1_000_000;

export class RetryBudget {
  readonly #deposit: number;
  #balance: number;

  constructor(budgetRatio: number) {
    this.#deposit = Math.round(budgetRatio * TOKEN);
    this.#balance = budgetRatio > 0 ? RESERVE * TOKEN : 0;
  }

  /** Counts one first attempt. */
  deposit(): void {
    this.#balance = Math.min(CAP * TOKEN, this.#balance + this.#deposit);
  }

  /** Takes one retry, if there is one to take. */
  withdraw(): boolean {
    if (this.#balance < TOKEN) return false;
    this.#balance -= TOKEN;
    return true;
  }
}
