/**
 * The framed JSON-RPC stream to one instance, with its table of pending calls.
 * Calls and their answers go by the shortest way; control requests go through vscode-jsonrpc's connection.
 *
 * 1. A call in the table is settled by its answer, or handed back by `close()`; nothing else removes it once it was sent.
 * 2. The first answer wins; whatever else comes is counted and reported.
 * 3. After `close()` nothing is delivered.
 */
import type { Readable, Writable } from 'node:stream';
import { createMessageConnection, NullLogger, type MessageConnection } from 'vscode-jsonrpc/node';
import { frame } from '../protocol/frame.ts';
import { IdTable } from '../protocol/id-table.ts';
import { isTooDeep } from '../protocol/json.ts';
import { Control, ErrorCode, FIRST_CALL_ID, type LogParams, type WireError } from '../protocol/messages.ts';
import type { Intake } from './intake.ts';
import { cut } from '../util/cut.ts';
import { FrameReader } from './reader.ts';
import { FrameWriter, type Outgoing } from './writer.ts';
import { performance } from '../util/timers.ts';

/** One call as the channel sees it. */
export interface PendingCall extends Outgoing {
  readonly id: number;
  readonly method: string;
  /** When it was handed to the pipe, on the monotonic clock; null before. */
  readonly sentAt: number | null;
  /** `at` is when the answer was read, on the monotonic clock. */
  answered(result: unknown, at: number): void;
  /** `isLarge`: it came in more bytes than may be looked through in one go. */
  refused(error: WireError, isLarge: boolean): void;
  /** The answer was none: `reason` says what was wrong with it. */
  garbled(reason: string): void;
}

export interface ChannelOptions {
  readable: Readable;
  writable: Writable;
  maxMessageBytes: number;
  maxMessageValues: number;
  /** Closed when the channel ends. */
  intake: Intake;
  stallTimeoutMs?: number;
  /** A log record that came in so many bytes. */
  onLog(record: LogParams, bytes: number): void;
  /** The start of the child waits, in the phase that it says. */
  onPhase?(phase: unknown): void;
  /** An answer that nobody waits for, or a request that nobody here serves. */
  onStray(reason: string): void;
  /** Once: the child closed its end, or broke the protocol (`reason`). */
  onEnd(reason: string | null): void;
  onStrayLine?(line: string): void;
}

const STALL_TIMEOUT_MS = 5_000;
/** Beyond this, in a second, a child that talks instead of answering is taken for broken. */
const MAX_STRAYS = 1_000;
const STRAYS_WINDOW_MS = 1_000;
/** Of what is for people more is not looked through: to walk it and to print it takes longer than to parse it. */
const MAX_SEEN_BYTES = 160 * 1024;
/** Several times what a thousand methods take. */
const MAX_CONTROL_BYTES = 2 ** 20;
/** As long as a line of stdout may be. */
const MAX_LOG_CHARS = 65_536;
const LEVELS = new Set(['error', 'warn', 'info', 'debug']);

/** Calls that are open in all channels, as one event loop serves them. */
let underWay = 0;

export class Channel {
  readonly #options: ChannelOptions;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #connection: MessageConnection;
  readonly #calls = new IdTable<PendingCall>();
  /** Ids of control requests under way. The connection counts its requests from 0, as this does. */
  readonly #control = new Set<number>();
  #nextControl = 0;
  #strays = 0;
  #straysSince = 0;
  #ended = false;
  /** The child was asked to end. */
  #freeing = false;
  #onIdle: (() => void)[] = [];

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#reader = new FrameReader(options.readable, {
      maxMessageBytes: options.maxMessageBytes,
      maxMessageValues: options.maxMessageValues,
      intake: options.intake,
      stallTimeoutMs: options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      route: (message, bytes) => this.#route(message, bytes),
      onGrant: (bytes) => this.#notify(Control.lane, `{"bytes":${bytes}}`),
      onViolation: (reason) => this.#end(reason),
      ...(options.onStrayLine && { onStrayLine: options.onStrayLine }),
    });
    this.#writer = new FrameWriter(options.writable);
    // With a limit the connection delivers an answer at once; without one, by the global `setImmediate`, which a host may have faked.
    this.#connection = createMessageConnection(this.#reader, this.#writer, NullLogger, { maxParallelism: 1 });
    // The writing end may close while what was read still waits.
    this.#connection.onClose(() => void this.delivered().then(() => this.#end(null)));
    this.#connection.onError(() => {});
    this.#connection.listen();
  }

  /** Calls that were sent, or wait to be, and have no answer yet. */
  get pending(): number {
    return this.#calls.size;
  }

  /** In the order in which they were made. */
  pendingCalls(): PendingCall[] {
    return this.#calls.values();
  }

  /** When the child was last heard of, on the monotonic clock. */
  get lastReadAt(): number {
    return this.#reader.lastReadAt;
  }

  /** Resolves when all that was read is delivered; at once when it is. */
  delivered(): Promise<void> {
    return this.#reader.delivered();
  }

  /** Resolves when no call is pending; at once when none is. */
  idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  call(call: PendingCall): void {
    this.#calls.add(call);
    this.#writer.send(call, underWay++ === 0);
  }

  /** Takes a call back that was not sent. False when it was: then only `cancel` is left. */
  withdraw(call: PendingCall): boolean {
    return call.sentAt === null && this.#remove(call);
  }

  cancel(id: number): void {
    this.#notify(Control.cancel, `{"id":${id}}`);
  }

  /** A control request. Rejects with vscode-jsonrpc's ResponseError when it is refused, or when the channel is closed. */
  async request(method: string, params?: object): Promise<unknown> {
    // Asynchronous, because a connection that was disposed throws where it should reject.
    this.#control.add(this.#nextControl++);
    this.#freeing ||= method === Control.free;
    return params === undefined ? this.#connection.sendRequest(method) : this.#connection.sendRequest(method, params);
  }

  /** Ends the channel and hands back the calls that have no answer. */
  close(): PendingCall[] {
    this.#ended = true;
    this.#connection.dispose();
    this.#reader.dispose();
    this.#writer.dispose();
    const calls = this.pendingCalls();
    underWay -= calls.length;
    this.#calls.clear();
    this.#tellIdle();
    return calls;
  }

  #notify(method: string, params: string): void {
    this.#writer.send({ frame: frame(`{"jsonrpc":"2.0","method":"${method}","params":${params}}`), sent() {} });
  }

  #route(message: Record<string, unknown>, bytes: number): boolean {
    if (this.#ended) return true;
    const isLarge = bytes > MAX_SEEN_BYTES;
    const { method, id } = message;
    if (method === undefined) {
      if (typeof id === 'number' && id < FIRST_CALL_ID && this.#control.delete(id)) return this.#isOverlong(bytes);
      this.#answer(id, message, isLarge);
      return true;
    }
    if (method === Control.log) this.#log(message.params, bytes);
    else if (method === Control.phase && id === undefined) this.#options.onPhase?.((message.params as { phase?: unknown } | null | undefined)?.phase);
    else this.#stray(`unexpected ${id === undefined ? 'notification' : 'request'} ${brief(method)}`);
    // The connection refuses a request by name; a notification needs no answer.
    return id === undefined;
  }

  /** True when it ended the channel. */
  #isOverlong(bytes: number): boolean {
    if (bytes > MAX_CONTROL_BYTES) this.#end(`an answer to a control request takes ${bytes} bytes, the limit is ${MAX_CONTROL_BYTES}`);
    return this.#ended;
  }

  #answer(id: unknown, message: Record<string, unknown>, isLarge: boolean): void {
    const call = typeof id === 'number' ? this.#calls.get(id) : null;
    if (call === null || call.sentAt === null) {
      this.#stray(`an answer to ${brief(id)}, which is not open`);
      return;
    }
    const { error } = message;
    // Stopped because its child is to end: what became of it is the story of that end, and `close` hands it back.
    if (this.#freeing && (error as Partial<WireError> | null | undefined)?.code === ErrorCode.cancelled) return;
    this.#remove(call);
    if (error !== undefined && error !== null) {
      if (message.result !== undefined && message.result !== null) this.#stray(`an answer to ${call.id} with both result and error`);
      if (isWireError(error)) call.refused(error, isLarge);
      else call.garbled('its error is not a JSON-RPC error');
    } else if ('result' in message) call.answered(message.result, this.#reader.lastReadAt);
    else call.garbled('its answer has neither result nor error');
  }

  #remove(call: PendingCall): boolean {
    const removed = this.#calls.delete(call.id);
    if (removed) underWay--;
    if (this.#calls.size === 0) this.#tellIdle();
    return removed;
  }

  #tellIdle(): void {
    if (this.#onIdle.length > 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #log(params: unknown, bytes: number): void {
    const { level, message, fields } = (params ?? {}) as Partial<LogParams>;
    if (typeof message !== 'string' || typeof level !== 'string' || !LEVELS.has(level)) {
      this.#stray('a log record without level or message');
      return;
    }
    const record = { level, message: cut(message, MAX_LOG_CHARS) };
    if (typeof fields !== 'object' || fields === null) this.#options.onLog(record, bytes);
    else if (bytes > MAX_SEEN_BYTES) this.#options.onLog({ ...record, fields: { dropped: 'they are too large' } }, bytes);
    else this.#options.onLog({ ...record, fields: isTooDeep(fields) ? { dropped: 'they nest too deep' } : fields }, bytes);
  }

  #stray(reason: string): void {
    const now = performance.now();
    if (now - this.#straysSince >= STRAYS_WINDOW_MS) {
      this.#strays = 0;
      this.#straysSince = now;
    }
    this.#strays++;
    if (this.#strays > MAX_STRAYS) this.#end(`more than ${MAX_STRAYS} messages a second that nobody asked for`);
    else this.#options.onStray(reason);
  }

  #end(reason: string | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnd(reason);
  }
}

function isWireError(value: unknown): value is WireError {
  const { code, message } = value as Partial<WireError>;
  return typeof value === 'object' && typeof code === 'number' && typeof message === 'string';
}

/** An id or a method's name as it can stand in a message, whatever it turned out to be. */
function brief(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  return typeof value === 'number' ? String(value) : `one of type ${value === null ? 'null' : typeof value}`;
}
