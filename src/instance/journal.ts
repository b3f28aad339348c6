/**
 * What one child prints and logs, as records with its name on them. Keeps the tail for crash reports.
 *
 * 1. No more than `maxLogsPerSecond` records go out, with a burst of twice as many; what is lost is counted, and told in a record.
 */
import type { Emit } from '../events.ts';
import { Tail } from '../process/output.ts';
import { TokenBucket } from '../resilience/rate.ts';
import type { LogLevel, LogRecord } from '../types.ts';

export interface JournalOptions {
  plugin: string;
  version: string;
  maxLogsPerSecond: number;
  pid(): number | null;
  emit: Emit;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #rate: TokenBucket;
  readonly #tail = new Tail();
  #dropped = 0;
  /** Of those, the ones that no record has told of. */
  #untold = 0;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#rate = new TokenBucket(options.maxLogsPerSecond, 2 * options.maxLogsPerSecond, performance.now());
  }

  /** Records that were not kept. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The last lines that speak of trouble. */
  get tail(): string {
    return this.#tail.toString();
  }

  write(level: LogLevel, message: string, stream: LogRecord['stream'], fields?: Record<string, unknown>): void {
    // console.error is a record, not stderr; a crash report is to show it all the same.
    if (stream === 'stderr' || (stream === 'log' && (level === 'error' || level === 'warn'))) this.#tail.push(message);
    if (!this.#rate.take(performance.now())) {
      this.#dropped++;
      this.#untold++;
      return;
    }
    this.flush();
    this.#emit({ level, message, stream, ...(fields && { fields }) });
  }

  /** Tells what was lost since it was told last. */
  flush(): void {
    if (this.#untold === 0) return;
    const lost = this.#untold;
    this.#untold = 0;
    this.#emit({ level: 'warn', message: `${lost} log records were dropped: more than ${this.#options.maxLogsPerSecond} a second`, stream: 'log' });
  }

  #emit(record: Omit<LogRecord, 'plugin' | 'version' | 'pid'>): void {
    const { plugin, version, pid, emit } = this.#options;
    emit({ kind: 'log', record: { ...record, plugin, version, pid: pid() } });
  }
}
