/** Whether and when a failed call gets another attempt, and the calls that pause before it. */
import type { ChameleonError } from '../errors.ts';
import type { ResolvedRetryOptions } from '../options.ts';
import { exponentialDelay } from '../resilience/backoff.ts';
import { RetryBudget } from '../resilience/retry.ts';
import type { Call } from './call.ts';
import { performance, setTimeout } from '../util/timers.ts';

export class Retrier {
  #options: ResolvedRetryOptions;
  #budget: RetryBudget;
  readonly #random: () => number;
  readonly #again: (call: Call) => void;
  readonly #pausing = new Set<Call>();

  constructor(options: ResolvedRetryOptions, random: () => number, again: (call: Call) => void) {
    this.#options = options;
    this.#random = random;
    this.#again = again;
    this.#budget = new RetryBudget(options.budgetRatio);
  }

  /** From now on by these options, with a fresh budget. */
  follow(options: ResolvedRetryOptions): void {
    this.#options = options;
    this.#budget = new RetryBudget(options.budgetRatio);
  }

  /** A call makes its first attempt. */
  begun(): void {
    if (this.#options.attempts > 1) this.#budget.deposit();
  }

  /** Another attempt, when the error, the number of attempts, the deadline and the budget allow it. */
  failed(call: Call, error: ChameleonError, mayRetry: boolean): void {
    if (!mayRetry || call.settled || call.attempt >= this.#options.attempts) return call.fail(error);
    const delayMs = exponentialDelay(call.attempt, this.#options, this.#random);
    if (performance.now() + delayMs >= call.deadlineAt || !this.#budget.withdraw()) return call.fail(error);
    call.again();
    this.#pausing.add(call);
    call.timer = setTimeout(() => {
      this.#pausing.delete(call);
      call.timer = null;
      if (!call.settled) this.#again(call);
    }, delayMs);
  }

  /** Nobody will carry what pauses. */
  close(error: ChameleonError): void {
    for (const call of this.#pausing) {
      call.leave();
      call.fail(error);
    }
    this.#pausing.clear();
  }
}
