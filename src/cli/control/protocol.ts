/**
 * The control socket's contract: newline-delimited JSON, one object a line, and the numbers that bound it.
 * A request is answered by one line with `result` or `error`; `logs` sends lines with `record` or `lost` before that.
 */
import type { ErrorFacts } from '../errors.ts';

/** The longest answer. */
export const MAX_LINE_BYTES = 32 * 1024 * 1024;
/** The longest request: arguments as large as a message to a plugin may be by default, and what is around them. */
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024 + 65_536;
/** From here on a request is parsed in slices, so that it holds up nobody else's. */
export const LARGE_REQUEST_BYTES = 2 ** 18;
/** A large request may hold so many values: what is done with them afterwards is done in one go. */
export const MAX_REQUEST_VALUES = 50_000;
export const MAX_CONNECTIONS = 64;
/** So many may have something running that takes as long as it takes: an operator can always ask for `status`. */
export const MAX_LONG_CONNECTIONS = MAX_CONNECTIONS - 8;
/** Requests of one connection that run at once. */
export const MAX_RUNNING = 256;
/** A connection with nothing running, or with a line that does not end, is dropped after this long. */
export const STALL_MS = 10_000;
/** Answers that a client has not read, before no more of its requests are read. */
export const MAX_UNREAD_BYTES = 1024 * 1024;
/** Log records that are kept for `logs`. */
export const LOG_RECORDS = 1_000;
/** A longer record is kept without its fields, and its message cut. */
export const MAX_RECORD_BYTES = 16 * 1024;

export interface Request {
  id: number;
  op: string;
  params: Record<string, unknown>;
}

export type Answer =
  | { id: number; result: unknown }
  /** `id` is null when the request could not be read; the connection is closed after it. */
  | { id: number | null; error: ErrorFacts }
  | { id: number; record: ControlLogRecord }
  /** Records that were overwritten before this client read them. */
  | { id: number; lost: number };

export interface ControlLogRecord {
  /** ISO 8601. */
  time: string;
  level: string;
  message: string;
  plugin?: string;
  version?: string;
  pid?: number | null;
  [field: string]: unknown;
}

const NEWLINE = 10;

class LineTooLongError extends Error {}

/** Bytes → lines, linear in the bytes however they are split; holds `limit` bytes at most. */
export class LineSplitter {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #held = 0;

  constructor(limit: number = MAX_LINE_BYTES) {
    this.#limit = limit;
  }

  /** True while a line has begun and not ended. */
  get midLine(): boolean {
    return this.#held > 0;
  }

  /** The lines that end in `chunk`, as text. Throws as `split` does. */
  push(chunk: Buffer): string[] {
    return this.split(chunk).map(String);
  }

  /** The lines that end in `chunk`. Throws `LineTooLongError`, after which it is not to be used. */
  split(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#hold(chunk.subarray(start, end));
      lines.push(this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts));
      this.#parts = [];
      this.#held = 0;
      start = end + 1;
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
    return lines;
  }

  #hold(part: Buffer): void {
    this.#held += part.length;
    if (this.#held > this.#limit) throw new LineTooLongError(`a line is longer than ${this.#limit} bytes`);
    this.#parts.push(part);
  }
}

/** Null for what is no request. */
export function parseRequest(line: string): Request | null {
  try {
    return requestOf(JSON.parse(line));
  } catch {
    return null;
  }
}

/** Null for what is no request. `params` may be left out. */
export function requestOf(value: unknown): Request | null {
  if (!isRecord(value)) return null;
  const { id, op, params = {} } = value;
  return Number.isSafeInteger(id) && typeof op === 'string' && isRecord(params) ? { id: id as number, op, params } : null;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
