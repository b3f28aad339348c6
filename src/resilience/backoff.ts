/**
 * How long to wait before trying again. Pure: chance is an argument.
 *
 * Full jitter, from Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: a uniform draw from zero to a
 * ceiling that doubles spreads the crowd best and makes the fewest attempts of the variants compared there.
 */
export interface BackoffOptions {
  /** Mean delay after the first failure. */
  backoffMs: number;
  /** No delay is longer. */
  maxBackoffMs: number;
}

/** Past this the ceiling is `maxBackoffMs` for every useful option, and 2 ** attempt is still exact. */
const MAX_DOUBLINGS = 50;

/** Whole milliseconds to wait after failure number `attempt` (1, 2, …). The mean is `backoffMs`, doubled by each attempt. */
export function exponentialDelay(attempt: number, options: BackoffOptions, random: () => number): number {
  const ceiling = Math.min(options.maxBackoffMs, options.backoffMs * 2 ** Math.min(attempt, MAX_DOUBLINGS));
  return Math.round(random() * ceiling);
}
