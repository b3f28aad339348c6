/**
 * The receiving end of a channel, as vscode-jsonrpc lets us supply it. Owns decoding and its limits.
 *
 * 1. Answers and log records go straight to the router; only what it leaves reaches the connection, which takes one message a turn.
 * 2. The first violation ends the reader: nothing after it is delivered.
 * 3. A frame that has begun must make progress within `stallTimeoutMs`.
 */
import type { Readable } from 'node:stream';
import { AbstractMessageReader, type DataCallback, type Disposable, type Message } from 'vscode-jsonrpc/node';
import { FrameDecoder } from '../protocol/framing.ts';

export interface ReaderOptions {
  maxMessageBytes: number;
  stallTimeoutMs: number;
  /** Takes what it knows and returns true. */
  route(message: Record<string, unknown>): boolean;
  onViolation(reason: string): void;
  onStrayLine?(line: string): void;
}

export class FrameReader extends AbstractMessageReader {
  readonly #stream: Readable;
  readonly #options: ReaderOptions;
  readonly #decoder: FrameDecoder;
  #deliver: DataCallback = () => {};
  #stall: NodeJS.Timeout | null = null;
  #dead = false;
  #isClosed = false;
  /** When something was read last, on the monotonic clock: how whoever watches tells silence from life. */
  lastReadAt = performance.now();

  constructor(stream: Readable, options: ReaderOptions) {
    super();
    this.#stream = stream;
    this.#options = options;
    this.#decoder = new FrameDecoder({
      maxMessageBytes: options.maxMessageBytes,
      onFrame: (json) => this.#frame(json),
      ...(options.onStrayLine && { onStrayLine: options.onStrayLine }),
    });
  }

  listen(callback: DataCallback): Disposable {
    this.#deliver = callback;
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#stream.on('error', () => this.#stream.destroy());
    // `close` alone could wait for ever on what the child does not read.
    this.#stream.once('end', () => this.#closed());
    this.#stream.once('close', () => this.#closed());
    return { dispose: () => this.dispose() };
  }

  override dispose(): void {
    this.#dead = true;
    this.#quiet();
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
    this.lastReadAt = performance.now();
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#violated((error as Error).message);
      return;
    }
    if (this.#decoder.midFrame) {
      if (this.#stall === null) this.#stall = setTimeout(() => this.#stalled(), this.#options.stallTimeoutMs);
      else this.#stall.refresh();
    } else this.#quiet();
  }

  #frame(json: string): void {
    if (this.#dead) return;
    let message: unknown;
    try {
      message = JSON.parse(json);
    } catch (error) {
      this.#violated(`a frame is not JSON (${(error as Error).message.slice(0, 200)})`);
      return;
    }
    if (typeof message !== 'object' || message === null || Array.isArray(message)) this.#violated('a frame is not a JSON-RPC message');
    else if (!this.#options.route(message as Record<string, unknown>)) this.#deliver(message as unknown as Message);
  }

  /** When our own loop was blocked the rest may lie unread, so it is read before it is judged. */
  #stalled(): void {
    const before = this.lastReadAt;
    setImmediate(() => {
      if (this.lastReadAt === before && this.#stall !== null) this.#violated(`a frame stopped half-way for ${this.#options.stallTimeoutMs} ms`);
    });
  }

  #violated(reason: string): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#quiet();
    this.#options.onViolation(reason);
  }

  #quiet(): void {
    if (this.#stall !== null) clearTimeout(this.#stall);
    this.#stall = null;
  }
}
