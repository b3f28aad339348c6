/**
 * Whether and when the next instance of a deployment is started after one died. Pure: time and chance are arguments.
 * An operator's reload is no restart and does not pass here.
 *
 * 1. A life of a second or more was a life: its successor starts at once, and the delays begin anew.
 * 2. The restart that would be one more than `maxRestarts` within `periodMs` is not made.
 */
import type { ResolvedRestartOptions } from '../options.ts';
import { exponentialDelay } from '../resilience/backoff.ts';
import { EventWindow } from '../resilience/window.ts';

const LIFE_MS = 1000;

export type RestartDecision = { kind: 'restart'; delayMs: number } | { kind: 'give-up' };

export class RestartPolicy {
  readonly #options: ResolvedRestartOptions;
  readonly #random: () => number;
  readonly #recent: EventWindow;
  #shortLives = 0;
  #restarts = 0;

  constructor(options: ResolvedRestartOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
    this.#recent = new EventWindow(options.maxRestarts + 1, options.periodMs);
  }

  /** Restarts decided so far. */
  get restarts(): number {
    return this.#restarts;
  }

  /** An instance that lived `uptimeMs` has died at `now` (monotonic milliseconds). */
  next(now: number, uptimeMs: number): RestartDecision {
    if (this.#recent.add(now)) return { kind: 'give-up' };
    this.#restarts++;
    this.#shortLives = uptimeMs >= LIFE_MS ? 0 : this.#shortLives + 1;
    return { kind: 'restart', delayMs: this.#shortLives === 0 ? 0 : this.#delay() };
  }

  /** The system had no room for an instance: that is not held against the plugin, and is tried until there is. */
  postpone(): RestartDecision {
    this.#shortLives++;
    return { kind: 'restart', delayMs: this.#delay() };
  }

  #delay(): number {
    return exponentialDelay(this.#shortLives, this.#options, this.#random);
  }
}
