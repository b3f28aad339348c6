/**
 * The last log records, as JSON text. Owns memory for them and nothing else: a reader is only a place in the ring.
 *
 * 1. At most `capacity` records of `MAX_RECORD_BYTES` are held.
 * 2. Appending never waits for a reader: one that is too slow loses the oldest records, and learns how many.
 * 3. Each plugin, and the supervisor itself, has a fair share: a new record takes the place of the oldest of the plugin that has most.
 */
import type { Logger, LogLevel } from '../../index.ts';
import { LOG_RECORDS, MAX_RECORD_BYTES } from './protocol.ts';

interface Entry {
  json: string;
  plugin: unknown;
  /** Among all records, and among those of the plugin, from 0. */
  number: number;
  numberOfPlugin: number;
}

export interface Taken {
  json: string;
  /** Records before this one that the reader asked for and was too late for. */
  lost: number;
}

/** How many records of one plugin there were, and how many of them are held. */
interface Count {
  total: number;
  held: number;
}

export class LogRing {
  /** By number. */
  readonly #entries: Entry[] = [];
  readonly #counts = new Map<unknown, Count>();
  readonly #capacity: number;
  readonly #listeners = new Set<() => void>();
  #total = 0;

  constructor(capacity: number = LOG_RECORDS) {
    this.#capacity = capacity;
  }

  append(level: LogLevel, message: string, fields: object = {}): void {
    const { plugin } = fields as { plugin?: unknown };
    const count = this.#counts.get(plugin) ?? { total: 0, held: 0 };
    this.#counts.set(plugin, count);
    this.#entries.push({ json: serialize(level, message, fields), plugin, number: this.#total++, numberOfPlugin: count.total++ });
    count.held++;
    if (this.#entries.length > this.#capacity) this.#makeRoom(plugin);
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after each record, until the returned function is called. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A reader from the oldest record on, of one plugin or of everything. `take` answers null when it has caught up. */
  reader(plugin?: string): { take(): Taken | null } {
    const wanted = (entry: Entry): boolean => plugin === undefined || entry.plugin === plugin;
    const numberOf = ({ number, numberOfPlugin }: Entry): number => (plugin === undefined ? number : numberOfPlugin);
    let next = 0;
    // What is not held any more when a reader comes is nothing that it was too late for.
    let unread = this.#entries.filter(wanted).length;
    const first = this.#total;
    let expected = plugin === undefined ? first : (this.#counts.get(plugin)?.total ?? 0);
    const lostBefore = (entry: Entry): number => {
      if (entry.number < first) {
        unread--;
        return 0;
      }
      const lost = unread + numberOf(entry) - expected;
      [unread, expected] = [0, numberOf(entry) + 1];
      return lost;
    };
    return {
      take: () => {
        for (let at = this.#indexOf(next); at < this.#entries.length; at++) {
          const entry = this.#entries[at]!;
          next = entry.number + 1;
          if (wanted(entry)) return { json: entry.json, lost: lostBefore(entry) };
        }
        return null;
      },
    };
  }

  /** Keeps 3. One with more than half of all has most, which spares a flood the search for it. */
  #makeRoom(latest: unknown): void {
    const fullest = this.#counts.get(latest)!.held > this.#capacity / 2 ? latest : this.#fullest();
    const at = this.#entries.findIndex(({ plugin }) => plugin === fullest);
    this.#entries.splice(at, 1);
    this.#counts.get(fullest)!.held--;
  }

  #fullest(): unknown {
    let most = 0;
    for (const { held } of this.#counts.values()) most = Math.max(most, held);
    return this.#entries.find(({ plugin }) => this.#counts.get(plugin)!.held === most)!.plugin;
  }

  /** Of the first record from `number` on. */
  #indexOf(number: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.number < number) low = middle + 1;
      else high = middle;
    }
    return low;
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
