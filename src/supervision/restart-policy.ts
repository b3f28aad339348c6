/**
 * Whether and when the next instance of a deployment is started after one died. Pure: time and chance are arguments.
 * An operator's reload is no restart and does not pass here.
 *
 * 1. A life of a second or more was a life: its successor starts at once, and the delays begin anew.
 * 2. The restart that would be one more than `maxRestarts` within `periodMs` is not made.
 * 3. Nor is the one after more than `maxRestarts` failed starts in a row, however long each of them took.
 * 4. Once the restarts are used up, shorter lives and failed starts add no new ones.
 */
import type { ResolvedRestartOptions } from '../options.ts';
import { exponentialDelay } from '../resilience/backoff.ts';
import { EventWindow } from '../resilience/window.ts';

const LIFE_MS = 1000;
/** The longest pause between starts that are not counted, unless `maxBackoffMs` is longer. */
const SLOWEST_MS = 60_000;
/** `maxBackoffMs` may be 0, and such starts go on for ever. */
const LEAST_SLOW_MS = 100;

type RestartLimits = Omit<ResolvedRestartOptions, 'whenSpent'>;
export type RestartDecision = { kind: 'restart'; delayMs: number } | { kind: 'give-up' };

export class RestartPolicy {
  readonly #options: RestartLimits;
  readonly #random: () => number;
  readonly #recent: EventWindow;
  #shortLives = 0;
  #restarts = 0;
  #failedStarts = 0;
  /** The last decision was to give up. */
  #isSpent = false;
  #slowStarts = 0;

  constructor(options: RestartLimits, random: () => number) {
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
    const isOver = this.#recent.add(now) || (this.#isSpent && uptimeMs < LIFE_MS);
    this.#isSpent = isOver;
    if (isOver) return { kind: 'give-up' };
    this.#restarts++;
    this.#slowStarts = 0;
    this.#shortLives = uptimeMs >= LIFE_MS ? 0 : this.#shortLives + 1;
    return { kind: 'restart', delayMs: this.#shortLives === 0 ? 0 : this.#delay() };
  }

  /** A start has failed at `now`. */
  startFailed(now: number): RestartDecision {
    this.#failedStarts++;
    if (this.#failedStarts > this.#options.maxRestarts) this.#isSpent = true;
    return this.next(now, 0);
  }

  /** A start has succeeded. */
  started(): void {
    this.#failedStarts = 0;
    if (!this.#isSpent) this.#slowStarts = 0;
  }

  /** Whole milliseconds before a start that is not counted: `maxBackoffMs` and up to half more at first, doubled by each, up to a minute. */
  slowly(): number {
    const { maxBackoffMs } = this.#options;
    const pauseMs = Math.max(LEAST_SLOW_MS, maxBackoffMs) * 2 ** Math.min(this.#slowStarts++, 30) * (1 + this.#random() / 2);
    return Math.round(Math.min(Math.max(SLOWEST_MS, maxBackoffMs), pauseMs));
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
