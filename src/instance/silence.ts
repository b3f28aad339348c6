/**
 * The silence of a child since a ping, in time that counts against it. Pure: clock and processor times are arguments.
 *
 * 1. Silence begins with the ping, or with the last byte read: a child that answers anything is alive.
 * 2. Time in which our own loop stood still does not count: a look that comes late counts as one on time.
 * 3. Time in which the child waited for a processor does not count where it had one for less than half of the silence, until that is
 *    `PATIENCE` times as long as allowed.
 */
import type { ProcessorTime } from '../process/processor.ts';

/** Looks in the time that a child may be silent. */
const LOOKS = 8;
/** Timers of a busy loop are late by this much. */
const TIMER_SLACK_MS = 10;
const PATIENCE = 10;
/** A thread that ran for less between two looks was waiting for a processor. */
const MIN_RUN_MS = 0.1;

export class Silence {
  readonly #timeoutMs: number;
  #lookedAt: number;
  #untilNextMs: number;
  #silentMs = 0;
  /** The child's processor time when it was first found silent, and at the last look. */
  #first: ProcessorTime | null = null;
  #last: ProcessorTime | null = null;

  constructor(timeoutMs: number, now: number) {
    this.#timeoutMs = timeoutMs;
    this.#lookedAt = now;
    this.#untilNextMs = timeoutMs / LOOKS;
  }

  /** Milliseconds until the next look is due. */
  get untilNextMs(): number {
    return this.#untilNextMs;
  }

  get lookedAt(): number {
    return this.#lookedAt;
  }

  /** Whether the child has been silent for longer than allowed. */
  isTooLong(now: number, lastReadAt: number, time: ProcessorTime | null): boolean {
    const countedMs = Math.min(now - this.#lookedAt, this.#untilNextMs + TIMER_SLACK_MS);
    if (lastReadAt > this.#lookedAt) {
      this.#silentMs = Math.min(countedMs, now - lastReadAt);
      this.#first = null;
    } else this.#silentMs += countedMs;
    this.#lookedAt = now;
    this.#first ??= time;
    const isWaiting = time?.isRunnable === true && this.#last !== null && time.ranMs - this.#last.ranMs < MIN_RUN_MS;
    this.#last = time;
    const waitedMs = (time?.waitedMs ?? 0) - (this.#first?.waitedMs ?? 0);
    const leftMs = this.#timeoutMs - this.#silentMs + (2 * waitedMs > this.#silentMs ? waitedMs : 0);
    const lookMs = this.#timeoutMs / LOOKS;
    this.#untilNextMs = isWaiting ? lookMs : Math.min(lookMs, leftMs);
    // Rounding of timers makes them fire a fraction early.
    return this.#untilNextMs <= 1 || this.#silentMs >= PATIENCE * this.#timeoutMs;
  }
}
