/**
 * One connection to the control socket: lines in, requests run, answers out. Owns the socket and what runs on its behalf.
 *
 * 1. Whatever a client sends, does not send, or does not read, costs that client its connection and nobody anything else.
 * 2. A client that goes away takes its running calls with it.
 * 3. Memory is bounded: one line, `MAX_RUNNING` requests, and answers until the client reads.
 * 4. A large request is parsed in slices, and nothing more is read meanwhile.
 */
import type { Socket } from 'node:net';
import { parseInSlices, type Parsed } from '../../protocol/slices.ts';
import { CliError, factsOf, usageError, type ErrorFacts } from '../errors.ts';
import type { LogRing } from './log-ring.ts';
import { optionalText, perform, type ControlTarget } from './operations.ts';
import {
  LARGE_REQUEST_BYTES,
  LineSplitter,
  MAX_LINE_BYTES,
  MAX_LONG_CONNECTIONS,
  MAX_REQUEST_BYTES,
  MAX_REQUEST_VALUES,
  MAX_RUNNING,
  MAX_UNREAD_BYTES,
  parseRequest,
  requestOf,
  STALL_MS,
  type Request,
} from './protocol.ts';
import { clearInterval, clearTimeout, performance, setInterval, setTimeout } from '../../util/timers.ts';

export interface Host {
  /** Requests that come before the supervisor is ready wait for it. */
  target: Promise<ControlTarget>;
  ring: LogRing;
  /** Replaced by tests. Default `STALL_MS`. */
  stallMs?: number;
}

/** What a session has to know of the others. */
export interface Places {
  /** Whether one more may run something that takes as long as it takes. */
  hasLong(): boolean;
}

/** Operations that are over as soon as they have begun. `logs` is none: it goes on for as long as its client does not read. */
const SHORT = ['status', 'methods', 'metrics'];
const NOT_ENDED = 'a line was begun and not ended';
const isLong = (op: string): boolean => !SHORT.includes(op);

export class Session {
  readonly #socket: Socket;
  readonly #host: Host;
  readonly #lines = new LineSplitter(MAX_REQUEST_BYTES);
  /** Lines that came with one that is being parsed, behind it. */
  #behind: Buffer[] = [];
  /** Ends the parsing that is under way, if any is. */
  #giveUp: (() => void) | null = null;
  readonly #running = new Map<number, AbortController>();
  /** How many of them take as long as they take. */
  #long = 0;
  readonly #followers = new Set<() => void>();
  /** Drops a connection with nothing running. */
  readonly #watchdog: NodeJS.Timeout;
  readonly #stallMs: number;
  /** Runs from the first byte of a line that has not ended; how slowly more of them come makes no difference. */
  #lineTimer: NodeJS.Timeout | null = null;
  readonly #places: Places;
  #idleSince = performance.now();
  #finishing = false;
  #dropped = false;

  constructor(socket: Socket, host: Host, places: Places) {
    this.#socket = socket;
    this.#host = host;
    this.#places = places;
    this.#stallMs = host.stallMs ?? STALL_MS;
    this.#watchdog = setInterval(() => this.#dropIfIdle(), this.#stallMs);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('close', () => this.#closed());
    // An error is followed by `close`, which is where it is dealt with.
    socket.on('error', () => {});
  }

  /** Since when nothing runs here, by `performance.now()`; null while something does. */
  get idleSince(): number | null {
    return this.#running.size === 0 && this.#giveUp === null ? this.#idleSince : null;
  }

  /** True while it runs something that takes as long as it takes. */
  get isLong(): boolean {
    return this.#long > 0;
  }

  /** Hangs up, so that somebody else can connect. */
  makeRoom(): void {
    this.#drop('others are waiting for a place, and nothing is running here', 'ERR_CONTROL_BUSY');
  }

  /** Answers what runs, ends what follows the log, then hangs up. */
  finish(): void {
    this.#finishing = true;
    for (const wake of this.#followers) wake();
    if (this.#running.size === 0) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      const lines = this.#lines.split(chunk);
      if (lines.length > 0) this.#stopLineTimer();
      for (const line of lines) this.#take(line);
      this.#startLineTimer();
    } catch (error) {
      this.#drop((error as Error).message);
    }
  }

  /** Not while we do not read: then its client cannot go on. */
  #startLineTimer(): void {
    if (!this.#lines.midLine || this.#lineTimer !== null || this.#dropped || this.#socket.isPaused()) return;
    this.#lineTimer = setTimeout(() => this.#drop(NOT_ENDED), this.#stallMs);
  }

  #stopLineTimer(): void {
    if (this.#lineTimer !== null) clearTimeout(this.#lineTimer);
    this.#lineTimer = null;
  }

  #pause(): void {
    this.#socket.pause();
    this.#stopLineTimer();
  }

  #take(line: Buffer): void {
    if (this.#dropped) return;
    if (this.#giveUp !== null) this.#behind.push(line);
    else if (line.length < LARGE_REQUEST_BYTES) this.#begin(parseRequest(line.toString()));
    else {
      // Keeps 4.
      this.#pause();
      this.#giveUp = parseInSlices(line, MAX_REQUEST_VALUES, (parsed) => this.#parsed(parsed));
    }
  }

  #parsed(parsed: Parsed): void {
    this.#giveUp = null;
    this.#watchdog.refresh();
    const id = parsed.kind === 'too-many' ? parsed.outline.id : null;
    if (typeof id === 'number' && Number.isSafeInteger(id)) {
      const message = `the request is too large: one of ${LARGE_REQUEST_BYTES} bytes or more may hold ${MAX_REQUEST_VALUES} values`;
      this.#fail(id, usageError(message, 'send less at once, or as one text').facts);
    } else this.#begin(parsed.kind === 'value' ? requestOf(parsed.value) : null);
    for (const line of this.#behind.splice(0)) this.#take(line);
    this.#readOn();
  }

  #begin(request: Request | null): void {
    if (request === null) return this.#drop('a line is no request: {"id":1,"op":"status","params":{}}');
    if (this.#running.has(request.id)) return this.#drop(`request ${request.id} is running already`);
    if (this.#running.size >= MAX_RUNNING) this.#fail(request.id, busy(`${MAX_RUNNING} requests of this connection are running`));
    else if (isLong(request.op) && !this.isLong && !this.#places.hasLong()) {
      this.#fail(
        request.id,
        busy(`${MAX_LONG_CONNECTIONS} clients have something running; the other places are kept for status, methods and metrics`),
      );
    } else void this.#run(request);
  }

  async #run({ id, op, params }: Request): Promise<void> {
    const abort = new AbortController();
    this.#running.set(id, abort);
    if (isLong(op)) this.#long++;
    try {
      if (op === 'logs') await this.#sendLogs(id, params, abort.signal);
      const result = op === 'logs' ? null : await perform(await this.#host.target, op, params, abort.signal);
      this.#answer(id, result);
    } catch (error) {
      this.#fail(id, factsOf(error));
    }
    this.#running.delete(id);
    if (isLong(op)) this.#long--;
    this.#idleSince = performance.now();
    this.#watchdog.refresh();
    if (this.#finishing && this.#running.size === 0) this.#socket.end();
  }

  /** The ring first, then what comes; as fast as the client reads. Ends when it hangs up, or when the supervisor does. */
  async #sendLogs(id: number, params: Record<string, unknown>, signal: AbortSignal): Promise<void> {
    const reader = this.#host.ring.reader(optionalText(params, 'name'));
    let wake = (): void => {};
    const follower = (): void => wake();
    const forget = this.#host.ring.onAppend(follower);
    this.#followers.add(follower);
    try {
      while (!signal.aborted) {
        const mayWrite = this.#socket.writableLength < MAX_UNREAD_BYTES;
        const taken = mayWrite ? reader.take() : null;
        if (taken !== null) {
          if (taken.lost > 0) this.#send(JSON.stringify({ id, lost: taken.lost }));
          this.#send(`{"id":${id},"record":${taken.json}}`);
        } else if (mayWrite && (params.follow !== true || this.#finishing)) {
          return;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    } finally {
      forget();
      this.#followers.delete(follower);
    }
  }

  #answer(id: number, result: unknown): void {
    const line = JSON.stringify({ id, result: result ?? null });
    if (Buffer.byteLength(line) > MAX_LINE_BYTES) {
      throw new CliError({
        code: 'ERR_PAYLOAD_TOO_LARGE',
        message: `the result is too large for the control socket, which carries ${MAX_LINE_BYTES} bytes`,
        limit: MAX_LINE_BYTES,
      });
    }
    this.#send(line);
  }

  #fail(id: number | null, error: ErrorFacts): void {
    this.#send(JSON.stringify({ id, error }));
  }

  #send(line: string): void {
    if (!this.#socket.writable) return;
    this.#socket.write(`${line}\n`);
    // Keeps 3: who does not read is not read from.
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#pause();
  }

  #drained(): void {
    this.#watchdog.refresh();
    this.#readOn();
    for (const wake of this.#followers) wake();
  }

  #readOn(): void {
    if (this.#giveUp !== null || this.#socket.writableLength > MAX_UNREAD_BYTES) return;
    this.#socket.resume();
    this.#startLineTimer();
  }

  #dropIfIdle(): void {
    if (this.#dropped) this.#socket.destroy();
    else if (this.idleSince === null) return;
    else if (this.#lines.midLine) this.#drop(NOT_ENDED);
    else this.#socket.destroy();
  }

  /** Keeps 1. */
  #drop(reason: string, code = 'ERR_CONTROL'): void {
    this.#dropped = true;
    this.#giveUp?.();
    this.#giveUp = null;
    this.#stopLineTimer();
    this.#socket.removeAllListeners('data');
    this.#fail(null, { code, message: `connection dropped: ${reason}` });
    this.#abortAll();
    this.#socket.destroySoon();
  }

  #closed(): void {
    clearInterval(this.#watchdog);
    this.#stopLineTimer();
    this.#giveUp?.();
    this.#abortAll();
    for (const wake of this.#followers) wake();
  }

  /** Keeps 2. */
  #abortAll(): void {
    for (const abort of this.#running.values()) abort.abort(new Error('the client hung up'));
  }
}

export function busy(message: string): ErrorFacts {
  return { code: 'ERR_CONTROL_BUSY', message, retryable: true };
}
