/**
 * The receiving end of a channel, as vscode-jsonrpc lets us supply it. Owns decoding and its limits.
 *
 * 1. Answers and log records go straight to the router; only what it leaves reaches the connection, which takes one message a turn.
 * 2. The first violation ends the reader: nothing after it is delivered.
 * 3. A frame that has begun must make progress within `stallTimeoutMs`.
 * 4. However large and dense a frame is, it never holds up the event loop: it is parsed in slices. Meanwhile nothing more is read, what
 *    was read waits behind it, and nobody takes the child for silent.
 */
import type { Readable } from 'node:stream';
import { AbstractMessageReader, type DataCallback, type Disposable, type Message } from 'vscode-jsonrpc/node';
import { attach } from '../protocol/attachments.ts';
import { FrameDecoder, type FramingError } from '../protocol/framing.ts';
import { parseInSlices, type Parsed } from '../protocol/slices.ts';

export interface ReaderOptions {
  maxMessageBytes: number;
  stallTimeoutMs: number;
  /** Takes what it knows, which came in so many bytes, and returns true. */
  route(message: Record<string, unknown>, bytes: number): boolean;
  onViolation(reason: string): void;
  onStrayLine?(line: string): void;
}

/** A frame as it was read; or how the stream went wrong; null is its end. */
type Next = string | Buffer | Attached | FramingError | null;

class Attached {
  readonly json: string | Buffer;
  readonly blob: Buffer;
  constructor(json: string | Buffer, blob: Buffer) {
    this.json = json;
    this.blob = blob;
  }
}

export class FrameReader extends AbstractMessageReader {
  readonly #stream: Readable;
  readonly #options: ReaderOptions;
  readonly #decoder: FrameDecoder;
  #deliver: DataCallback = () => {};
  #stall: NodeJS.Timeout | null = null;
  /** Ends the parsing that is under way, if any is. */
  #giveUp: (() => void) | null = null;
  /** What came in the same read, behind the frame that is being parsed. No more than that, for nothing is read meanwhile. */
  #behind: Next[] = [];
  #onDelivered: (() => void)[] = [];
  #dead = false;
  #isClosed = false;
  #readAt = performance.now();

  constructor(stream: Readable, options: ReaderOptions) {
    super();
    this.#stream = stream;
    this.#options = options;
    this.#decoder = new FrameDecoder({
      maxMessageBytes: options.maxMessageBytes,
      onFrame: (json) => this.#take(json),
      onLargeFrame: (body) => this.#take(body),
      onAttached: (json, blob) => this.#take(new Attached(json, blob)),
      ...(options.onStrayLine && { onStrayLine: options.onStrayLine }),
    });
  }

  /** When something was read last, on the monotonic clock: how whoever watches tells silence from life. */
  get lastReadAt(): number {
    return this.#giveUp === null ? this.#readAt : performance.now();
  }

  /** Resolves when nothing that was read waits to be delivered; at once when nothing does. */
  delivered(): Promise<void> {
    if (this.#giveUp === null) return Promise.resolve();
    return new Promise((resolve) => this.#onDelivered.push(resolve));
  }

  listen(callback: DataCallback): Disposable {
    this.#deliver = callback;
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#stream.on('error', () => this.#stream.destroy());
    // `close` alone could wait for ever on what the child does not read.
    this.#stream.once('end', () => this.#take(null));
    this.#stream.once('close', () => this.#take(null));
    return { dispose: () => this.dispose() };
  }

  override dispose(): void {
    this.#die();
    super.dispose();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#quiet();
    if (!this.#dead) this.#decoder.end();
    this.fireClose();
  }

  #read(chunk: Buffer): void {
    if (this.#dead) return;
    this.#readAt = performance.now();
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#take(error as FramingError);
      return;
    }
    this.#watch();
  }

  /** Keeps 3. */
  #watch(): void {
    if (this.#giveUp !== null || !this.#decoder.midFrame) this.#quiet();
    else if (this.#stall === null) this.#stall = setTimeout(() => this.#stalled(), this.#options.stallTimeoutMs);
    else this.#stall.refresh();
  }

  #take(next: Next): void {
    if (this.#giveUp !== null) this.#behind.push(next);
    else if (next === null) this.#closed();
    else if (this.#dead) return;
    else if (typeof next === 'string') this.#frame(next, null);
    else if (Buffer.isBuffer(next)) this.#parse(next, null);
    else if (!(next instanceof Attached)) this.#violated(next.message);
    else if (typeof next.json === 'string') this.#frame(next.json, next.blob);
    else this.#parse(next.json, next.blob);
  }

  #frame(json: string, blob: Buffer | null): void {
    let message: unknown;
    try {
      message = JSON.parse(json);
    } catch (error) {
      this.#violated(noJson((error as Error).message));
      return;
    }
    this.#message(message, json.length, blob);
  }

  /** Keeps 4. */
  #parse(body: Buffer, blob: Buffer | null): void {
    this.#quiet();
    this.#stream.pause();
    this.#giveUp = parseInSlices(body, (parsed) => this.#parsed(parsed, body.length, blob));
  }

  #parsed(parsed: Parsed, bytes: number, blob: Buffer | null): void {
    this.#giveUp = null;
    this.#readAt = performance.now();
    if (parsed.kind === 'value') this.#message(parsed.value, bytes, blob);
    else this.#violated(noJson(parsed.reason));
    for (const next of this.#behind.splice(0)) this.#take(next);
    if (this.#dead || this.#giveUp !== null) return;
    for (const resolve of this.#onDelivered.splice(0)) resolve();
    this.#watch();
    this.#stream.resume();
  }

  #message(message: unknown, bytes: number, blob: Buffer | null): void {
    const fault = blob === null ? null : attach(message, blob, 'result');
    if (fault !== null) this.#violated(fault);
    else if (typeof message !== 'object' || message === null || Array.isArray(message)) this.#violated('a frame is not a JSON-RPC message');
    else if (!this.#options.route(message as Record<string, unknown>, bytes)) this.#deliver(message as unknown as Message);
  }

  /** When our own loop was blocked the rest may lie unread, so it is read before it is judged. */
  #stalled(): void {
    const before = this.#readAt;
    setImmediate(() => {
      if (this.#readAt === before && this.#stall !== null) this.#violated(`a frame stopped half-way for ${this.#options.stallTimeoutMs} ms`);
    });
  }

  #violated(reason: string): void {
    if (this.#dead) return;
    this.#die();
    this.#options.onViolation(reason);
  }

  #die(): void {
    this.#dead = true;
    this.#giveUp?.();
    this.#giveUp = null;
    this.#quiet();
    this.#behind = [];
    for (const resolve of this.#onDelivered.splice(0)) resolve();
  }

  #quiet(): void {
    if (this.#stall !== null) clearTimeout(this.#stall);
    this.#stall = null;
  }
}

function noJson(reason: string): string {
  return `a frame is not JSON (${reason.slice(0, 200)})`;
}
