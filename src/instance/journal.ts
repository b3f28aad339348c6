/**
 * What one child prints and logs, as records with its name on them. Keeps the tail for crash reports.
 *
 * 1. No more than `maxLogsPerSecond` records and `maxLogBytesPerSecond` bytes go out, each with a burst of twice as many.
 *    Dropped records are counted, and told of in a record.
 * 2. No record holds a secret that can be told by its form.
 */
import type { Emit } from '../events.ts';
import { readLines, Tail } from '../process/output.ts';
import { Redactor, redactValue } from '../process/redact.ts';
import type { Spawned } from '../process/spawn.ts';
import { TokenBucket } from '../resilience/rate.ts';
import type { LogLevel, LogRecord } from '../types.ts';
import { isBareMessage } from './hint.ts';
import { performance } from '../util/timers.ts';

export interface JournalOptions {
  plugin: string;
  version: string;
  maxLogsPerSecond: number;
  maxLogBytesPerSecond: number;
  pid(): number | null;
  emit: Emit;
}

interface Details {
  fields?: Record<string, unknown> | undefined;
  bytes?: number;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #records: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #tail = new Tail();
  /** One for each stream: a private key takes several lines, between which others may come. */
  readonly #redactors = { stdout: new Redactor(), stderr: new Redactor(), log: new Redactor() } satisfies Record<LogRecord['stream'], Redactor>;
  #dropped = 0;
  /** Of those, the ones that no record has told of. */
  #untold = 0;

  constructor(options: JournalOptions) {
    this.#options = options;
    const { maxLogsPerSecond, maxLogBytesPerSecond } = options;
    this.#records = new TokenBucket(maxLogsPerSecond, 2 * maxLogsPerSecond, performance.now());
    this.#bytes = new TokenBucket(maxLogBytesPerSecond, 2 * maxLogBytesPerSecond, performance.now());
  }

  /** Records that were not kept. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The last lines that speak of trouble. */
  get tail(): string {
    return this.#tail.toString();
  }

  /** Makes a record of each line that the child prints, but for those of stderr that `isNode` says are Node's own. */
  read({ stdout, stderr }: Pick<Spawned, 'stdout' | 'stderr'>, stderrLevel: LogLevel, isNode: (line: string) => boolean): void {
    if (stdout !== null) readLines(stdout, (line) => this.write('info', line, 'stdout'));
    if (stderr !== null) readLines(stderr, (line) => isNode(line) || this.write(stderrLevel, line, 'stderr'));
  }

  /** `bytes`: what the record took on its way, where that is more than the message. */
  write(level: LogLevel, message: string, stream: LogRecord['stream'], { fields, bytes = message.length }: Details = {}): void {
    // console.error is a record, not stderr; a crash report is to show it all the same.
    const isTrouble = stream === 'stderr' || (stream === 'log' && (level === 'error' || level === 'warn'));
    if (isTrouble || isBareMessage(message)) this.#tail.push(message);
    const redactor = this.#redactors[stream];
    const now = performance.now();
    if (!this.#records.take(now) || !this.#bytes.takeAhead(now, bytes)) {
      redactor.pass(message);
      this.#dropped++;
      this.#untold++;
      return;
    }
    this.flush();
    // Keeps 2.
    const clean = redactor.line(message);
    this.#emit({ level, message: clean, stream, ...(fields && { fields: redactValue(fields) as Record<string, unknown> }) });
  }

  /** Tells what was lost since it was told last. */
  flush(): void {
    if (this.#untold === 0) return;
    const lost = this.#untold;
    this.#untold = 0;
    const { maxLogsPerSecond, maxLogBytesPerSecond } = this.#options;
    const message = `${lost} log records were dropped: more than ${maxLogsPerSecond} records or ${maxLogBytesPerSecond} bytes a second`;
    this.#emit({ level: 'warn', message, stream: 'log' });
  }

  #emit(record: Omit<LogRecord, 'plugin' | 'version' | 'pid'>): void {
    const { plugin, version, pid, emit } = this.#options;
    emit({ kind: 'log', record: { ...record, plugin, version, pid: pid() } });
  }
}
