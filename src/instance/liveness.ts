/**
 * Whether a child still turns its event loop: a ping every `intervalMs`, judged by silence after it.
 *
 * 1. Silence is counted from the ping, or from the last thing read: a child that answers anything is alive.
 * 2. Time in which our own loop stood still does not count.
 */
import type { PingResult } from '../protocol/messages.ts';

/** A timer that is this late was held up by our own loop, not by the child. */
const OWN_STALL_MS = 250;

export interface LivenessOptions {
  intervalMs: number;
  timeoutMs: number;
  ping(): Promise<unknown>;
  lastReadAt(): number;
  /** Once an interval, before the ping. */
  onTick(): void;
  onPong(result: PingResult): void;
  /** Once. */
  onSilence(silentMs: number): void;
}

export class Liveness {
  readonly #options: LivenessOptions;
  readonly #interval: NodeJS.Timeout;
  #silence: NodeJS.Timeout | null = null;
  #pingedAt = 0;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#interval = setInterval(() => this.#tick(), options.intervalMs);
  }

  stop(): void {
    clearInterval(this.#interval);
    this.#settle();
  }

  #tick(): void {
    this.#options.onTick();
    if (this.#silence !== null) return;
    this.#pingedAt = performance.now();
    this.#wait(this.#options.timeoutMs);
    this.#options.ping().then(
      (result) => {
        this.#settle();
        this.#options.onPong(readPong(result));
      },
      // A refused ping is an answer all the same; a closed channel is somebody else's to report.
      () => this.#settle(),
    );
  }

  #wait(ms: number): void {
    const due = performance.now() + ms;
    this.#silence = setTimeout(() => this.#judge(due), ms);
  }

  #judge(due: number): void {
    const now = performance.now();
    const { timeoutMs, lastReadAt, onSilence } = this.#options;
    if (now - due > OWN_STALL_MS) return this.#wait(timeoutMs);
    const left = Math.max(this.#pingedAt, lastReadAt()) + timeoutMs - now;
    // Rounding of timers makes them fire a fraction early.
    if (left > 1) return this.#wait(left);
    this.stop();
    onSilence(Math.round(now - lastReadAt()));
  }

  #settle(): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = null;
  }
}

/** Of what a child says of itself only numbers are believed. */
function readPong(answer: unknown): PingResult {
  const pong: PingResult = {};
  for (const key of ['eventLoopDelayMs', 'rssBytes', 'cpuMs'] as const) {
    const value = (answer as Partial<Record<string, unknown>> | null)?.[key];
    if (typeof value === 'number') pong[key] = value;
  }
  return pong;
}
