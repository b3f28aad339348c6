/**
 * The last log records, as JSON text. Owns memory for them and nothing else: a reader is only a place in the ring.
 *
 * 1. At most `capacity` records of `MAX_RECORD_BYTES` are held.
 * 2. Appending never waits for a reader: one that is too slow loses the oldest records, and learns how many.
 */
import type { Logger, LogLevel } from '../../index.ts';
import { LOG_RECORDS, MAX_RECORD_BYTES } from './protocol.ts';

interface Entry {
  json: string;
  plugin: unknown;
}

/** `json` is null when records were lost and none is there to send. */
export interface Taken {
  json: string | null;
  lost: number;
}

export class LogRing {
  readonly #entries: Entry[] = [];
  readonly #capacity: number;
  readonly #listeners = new Set<() => void>();
  /** Number of the next record; the oldest that is held is `#end - #entries.length`. */
  #end = 0;

  constructor(capacity: number = LOG_RECORDS) {
    this.#capacity = capacity;
  }

  append(level: LogLevel, message: string, fields: object = {}): void {
    const entry = { json: serialize(level, message, fields), plugin: (fields as { plugin?: unknown }).plugin };
    // Keeps 1: once full, a record's place is its number modulo the capacity.
    this.#entries[this.#end % this.#capacity] = entry;
    this.#end++;
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after each record, until the returned function is called. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A reader from the oldest record on, of one plugin or of everything. `take` answers null when it has caught up. */
  reader(plugin?: string): { take(): Taken | null } {
    let next = this.#end - this.#entries.length;
    return {
      take: () => {
        // Keeps 2: what was overwritten before this reader came to it.
        const oldest = this.#end - this.#entries.length;
        const lost = Math.max(0, oldest - next);
        next = Math.max(next, oldest);
        while (next < this.#end) {
          const entry = this.#entries[next++ % this.#capacity]!;
          if (plugin === undefined || entry.plugin === plugin) return { json: entry.json, lost };
        }
        return lost > 0 ? { json: null, lost } : null;
      },
    };
  }
}

function serialize(level: LogLevel, message: string, fields: object): string {
  const time = new Date().toISOString();
  try {
    const json = JSON.stringify({ ...fields, time, level, message });
    if (Buffer.byteLength(json) <= MAX_RECORD_BYTES) return json;
  } catch {
    // Fields that JSON cannot carry are left out; the message is what matters.
  }
  const { plugin, version, pid } = fields as Record<string, unknown>;
  const subject = Object.fromEntries(
    Object.entries({ plugin, version, pid }).filter(([, value]) => typeof value === 'string' || typeof value === 'number'),
  );
  // A quarter: JSON may need several bytes for one character.
  return JSON.stringify({ ...subject, time, level, message: message.slice(0, MAX_RECORD_BYTES / 4), truncated: true });
}

/** A logger that writes to `logger` and keeps the record in `ring`. */
export function teeLogger(ring: LogRing, logger: Logger): Logger {
  const to = (level: LogLevel) => (message: string, fields?: object) => {
    ring.append(level, message, fields);
    logger[level](message, fields);
  };
  return { debug: to('debug'), info: to('info'), warn: to('warn'), error: to('error') };
}
