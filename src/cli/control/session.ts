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
  MAX_REQUEST_BYTES,
  MAX_REQUEST_VALUES,
  MAX_RUNNING,
  MAX_UNREAD_BYTES,
  parseRequest,
  requestOf,
  STALL_MS,
  type Request,
} from './protocol.ts';

export interface Host {
  /** Requests that come before the supervisor is ready wait for it. */
  target: Promise<ControlTarget>;
  ring: LogRing;
  /** Replaced by tests. Default `STALL_MS`. */
  stallMs?: number;
}

export class Session {
  readonly #socket: Socket;
  readonly #host: Host;
  readonly #lines = new LineSplitter(MAX_REQUEST_BYTES);
  /** Lines that came with one that is being parsed, behind it. */
  #behind: Buffer[] = [];
  /** Ends the parsing that is under way, if any is. */
  #giveUp: (() => void) | null = null;
  readonly #running = new Map<number, AbortController>();
  readonly #followers = new Set<() => void>();
  readonly #watchdog: NodeJS.Timeout;
  #finishing = false;
  #dropped = false;

  constructor(socket: Socket, host: Host) {
    this.#socket = socket;
    this.#host = host;
    this.#watchdog = setInterval(() => this.#dropIfStalled(), host.stallMs ?? STALL_MS);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('close', () => this.#closed());
    // An error is followed by `close`, which is where it is dealt with.
    socket.on('error', () => {});
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
    this.#watchdog.refresh();
    try {
      for (const line of this.#lines.split(chunk)) this.#take(line);
    } catch (error) {
      this.#drop((error as Error).message);
    }
  }

  #take(line: Buffer): void {
    if (this.#dropped) return;
    if (this.#giveUp !== null) this.#behind.push(line);
    else if (line.length < LARGE_REQUEST_BYTES) this.#begin(parseRequest(line.toString()));
    else {
      // Keeps 4.
      this.#socket.pause();
      this.#giveUp = parseInSlices(line, (parsed) => this.#parsed(parsed));
    }
  }

  #parsed(parsed: Parsed): void {
    this.#giveUp = null;
    this.#watchdog.refresh();
    const request = parsed.kind === 'value' ? requestOf(parsed.value) : null;
    if (request !== null && parsed.kind === 'value' && parsed.structure > MAX_REQUEST_VALUES) {
      const message = `the request is too large: one of ${LARGE_REQUEST_BYTES} bytes or more may hold ${MAX_REQUEST_VALUES} values`;
      this.#fail(request.id, usageError(message, 'send less at once, or as one text').facts);
    } else this.#begin(request);
    for (const line of this.#behind.splice(0)) this.#take(line);
    this.#readOn();
  }

  #begin(request: Request | null): void {
    if (request === null) return this.#drop('a line is no request: {"id":1,"op":"status","params":{}}');
    if (this.#running.has(request.id)) return this.#drop(`request ${request.id} is running already`);
    if (this.#running.size >= MAX_RUNNING) this.#fail(request.id, busy(`${MAX_RUNNING} requests of this connection are running`));
    else void this.#run(request);
  }

  async #run({ id, op, params }: Request): Promise<void> {
    const abort = new AbortController();
    this.#running.set(id, abort);
    try {
      if (op === 'logs') await this.#sendLogs(id, params, abort.signal);
      const result = op === 'logs' ? null : await perform(await this.#host.target, op, params, abort.signal);
      this.#answer(id, result);
    } catch (error) {
      this.#fail(id, factsOf(error));
    }
    this.#running.delete(id);
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
          if (taken.json !== null) this.#send(`{"id":${id},"record":${taken.json}}`);
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
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#socket.pause();
  }

  #drained(): void {
    this.#watchdog.refresh();
    this.#readOn();
    for (const wake of this.#followers) wake();
  }

  #readOn(): void {
    if (this.#giveUp === null && this.#socket.writableLength <= MAX_UNREAD_BYTES) this.#socket.resume();
  }

  #dropIfStalled(): void {
    if (this.#giveUp !== null) return;
    if (this.#dropped) this.#socket.destroy();
    else if (this.#lines.midLine) this.#drop('a line was begun and not ended');
    else if (this.#running.size === 0) this.#socket.destroy();
  }

  /** Keeps 1. */
  #drop(reason: string): void {
    this.#dropped = true;
    this.#giveUp?.();
    this.#giveUp = null;
    this.#socket.removeAllListeners('data');
    this.#fail(null, { code: 'ERR_CONTROL', message: `connection dropped: ${reason}` });
    this.#abortAll();
    this.#socket.destroySoon();
  }

  #closed(): void {
    clearInterval(this.#watchdog);
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
