/**
 * What it costs to refuse a call. Under overload refusals come by the thousand, and their cost is taken from the calls that are served:
 * most of it is the stack, which says the same each time.
 *
 * 1. A refusal that comes by itself has its stack; of those that come in a crowd `STACKS_PER_SECOND` have one.
 */
import type { ChameleonError } from '../errors.ts';
import { TokenBucket } from '../resilience/rate.ts';
import { performance } from '../util/timers.ts';

const STACKS_PER_SECOND = 100;

export class Refusals {
  readonly #stacks = new TokenBucket(STACKS_PER_SECOND, STACKS_PER_SECOND, performance.now());

  made<E extends ChameleonError>(now: number, make: () => E): E {
    // Where the host has frozen it each refusal has its stack.
    if (this.#stacks.take(now) || Object.isFrozen(Error)) return make();
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return make();
    } finally {
      Error.stackTraceLimit = limit;
    }
  }
}
