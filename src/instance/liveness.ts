/**
 * Whether a child still turns its event loop: a ping every `intervalMs`, judged by the silence after it. Owns the timers.
 *
 * 1. Before the verdict our own loop reads the pipes: an answer that waits in one is an answer.
 */
import type { ProcessorTime } from '../process/processor.ts';
import type { PingResult } from '../protocol/messages.ts';
import { Silence } from './silence.ts';
import { clearInterval, clearTimeout, performance, setImmediate, setInterval, setTimeout } from '../util/timers.ts';

export interface LivenessOptions {
  intervalMs: number;
  timeoutMs: number;
  ping(): Promise<unknown>;
  lastReadAt(): number;
  /** Asked for only while the child is silent. Null where the system does not tell. */
  processorTime(): ProcessorTime | null;
  /** Once an interval, before the ping. */
  onTick(): void;
  onPong(result: PingResult): void;
  /** Once. */
  onSilence(silentMs: number): void;
}

export class Liveness {
  readonly #options: LivenessOptions;
  readonly #interval: NodeJS.Timeout;
  /** Of the ping under way. */
  #silence: Silence | null = null;
  #look: NodeJS.Timeout | null = null;

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
    this.#silence = new Silence(this.#options.timeoutMs, performance.now());
    this.#wait(this.#silence);
    this.#options.ping().then(
      (result) => {
        this.#settle();
        this.#options.onPong(readPong(result));
      },
      // A refused ping is an answer all the same; a closed channel is somebody else's to report.
      () => this.#settle(),
    );
  }

  #wait(silence: Silence): void {
    this.#look = setTimeout(() => this.#measure(silence), silence.untilNextMs);
  }

  #measure(silence: Silence): void {
    const { lastReadAt, processorTime } = this.#options;
    if (!silence.isTooLong(performance.now(), lastReadAt(), processorTime())) return this.#wait(silence);
    // Keeps 1: the pipes are read after the timers of a turn, and before its immediates.
    setImmediate(() => this.#judge(silence));
  }

  #judge(silence: Silence): void {
    const { lastReadAt, onSilence } = this.#options;
    if (this.#silence !== silence) return;
    if (lastReadAt() > silence.lookedAt) return this.#measure(silence);
    this.stop();
    onSilence(Math.round(performance.now() - lastReadAt()));
  }

  #settle(): void {
    if (this.#look !== null) clearTimeout(this.#look);
    this.#look = null;
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
