/**
 * The receiving end of a channel, as vscode-jsonrpc lets us supply it. Owns the stream, its end and its violations.
 *
 * 1. Answers and log records go straight to the router; only what it leaves reaches the connection, which takes one message a turn.
 * 2. The first violation ends the reader: nothing that was read after it is delivered.
 * 3. A frame that has begun must make progress within `stallTimeoutMs`.
 * 4. No frame holds up the event loop. While one of the main stream is parsed nothing more is read, what was read waits behind it, and
 *    nobody takes the child for silent. One of the lane holds up nothing but the lane.
 */
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { AbstractMessageReader, type DataCallback, type Disposable, type Message } from 'vscode-jsonrpc/node';
import { FrameDecoder, type FramingError } from '../protocol/framing.ts';
import { LARGE_BYTES } from '../protocol/lane.ts';
import { IncomingLane } from './lane.ts';
import { release } from './release.ts';
import { Sequence, type Frame, type SequenceOptions } from './sequence.ts';
import { Stall } from './stall.ts';
import { performance } from '../util/timers.ts';

export interface ReaderOptions extends SequenceOptions {
  maxMessageBytes: number;
  stallTimeoutMs: number;
  /** Takes what it knows, which came in so many bytes, and returns true. */
  route(message: Record<string, unknown>, bytes: number): boolean;
  /** The child may send so much more into the lane. */
  onGrant(bytes: number): void;
  onViolation(reason: string): void;
  onStrayLine?(line: string): void;
}

/** How the stream went wrong; null is its end. */
type Ending = FramingError | null;

export class FrameReader extends AbstractMessageReader {
  readonly #stream: Readable;
  readonly #options: ReaderOptions;
  readonly #decoder: FrameDecoder;
  readonly #main: Sequence;
  readonly #lane: IncomingLane;
  readonly #stall: Stall;
  #deliver: DataCallback = () => {};
  /** What comes when all that was read is delivered. */
  #endings: Ending[] = [];
  #onDelivered: (() => void)[] = [];
  #dead = false;
  #isClosed = false;
  #readAt = performance.now();

  constructor(stream: Readable, options: ReaderOptions) {
    super();
    this.#stream = stream;
    this.#options = options;
    const { maxMessageBytes, maxMessageValues, intake, stallTimeoutMs } = options;
    const stalled = (progress: string): void => this.#violated(`a frame stopped half-way for ${stallTimeoutMs} ms: ${progress}`);
    const events = {
      onMessage: (message: object, bytes: number) => this.#message(message, bytes),
      onFault: (reason: string) => this.#violated(reason),
      onParsed: () => this.#parsed(),
    };
    this.#main = new Sequence(events, options);
    const isBeingRead = (): boolean => !this.#dead && !this.#main.isParsing;
    this.#lane = new IncomingLane({
      ...events,
      maxMessageBytes,
      maxMessageValues,
      intake,
      stallTimeoutMs,
      isBeingRead,
      onStall: () => stalled('its other parts have not come'),
      onGrant: (bytes) => options.onGrant(bytes),
    });
    this.#stall = new Stall(stallTimeoutMs, () => stalled(this.#decoder.progress));
    this.#decoder = new FrameDecoder({
      maxMessageBytes,
      room: { countedFrom: LARGE_BYTES, take: (bytes) => intake.take(bytes) },
      onFrame: (json) => this.#main.take(json),
      onLargeFrame: (body, counted) => this.#large({ kind: 'whole', json: body, blob: null, at: 0, counted }),
      onAttached: (json, blob, counted) => this.#large({ kind: 'whole', json, blob, at: 0, counted }),
      onRefused: (bytes, text) => this.#main.take({ kind: 'passed', text, bytes, at: 0 }),
      onPart: (bytes) => this.#part(bytes),
      ...(options.onStrayLine && { onStrayLine: options.onStrayLine }),
    });
  }

  /** When something was read last, on the monotonic clock: how whoever watches tells silence from life. */
  get lastReadAt(): number {
    return this.#main.isParsing ? performance.now() : this.#readAt;
  }

  /** Resolves when nothing that was read waits to be delivered; at once when nothing does. */
  delivered(): Promise<void> {
    if (!this.#isParsing) return Promise.resolve();
    return new Promise((resolve) => this.#onDelivered.push(resolve));
  }

  listen(callback: DataCallback): Disposable {
    this.#deliver = callback;
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#stream.on('error', () => this.#stream.destroy());
    // `close` alone could wait for ever on what the child does not read.
    this.#stream.once('end', () => this.#end(null));
    this.#stream.once('close', () => this.#end(null));
    return { dispose: () => this.dispose() };
  }

  override dispose(): void {
    this.#die();
    super.dispose();
  }

  get #isParsing(): boolean {
    return this.#main.isParsing || this.#lane.isParsing;
  }

  #read(chunk: Buffer): void {
    if (this.#dead || this.#endings.length > 0) return;
    this.#readAt = performance.now();
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#end(error as FramingError);
      return;
    }
    // The decoder keeps no part of what it was given, and what a socket has read is nobody else's.
    if (this.#stream instanceof Socket) release(chunk);
    this.#watch();
  }

  /** Keeps 4. */
  #large(frame: Frame): void {
    this.#main.take(frame);
    if (!this.#main.isParsing) return;
    this.#lane.watch();
    this.#stream.pause();
  }

  #part(bytes: Buffer): void {
    if (!this.#dead) this.#lane.push(bytes);
  }

  /** Keeps 3. */
  #watch(): void {
    if (!this.#dead) this.#stall.went(!this.#main.isParsing && this.#decoder.midFrame);
  }

  #parsed(): void {
    if (!this.#isParsing) {
      for (const ending of this.#endings.splice(0)) this.#end(ending);
      for (const resolve of this.#onDelivered.splice(0)) resolve();
    }
    if (this.#dead || this.#main.isParsing) return;
    this.#watch();
    this.#lane.watch();
    this.#stream.resume();
  }

  #message(message: object, bytes: number): void {
    // What is parsed in slices counts as read when that is done.
    if (bytes >= LARGE_BYTES) this.#readAt = performance.now();
    if (!this.#options.route(message as Record<string, unknown>, bytes)) this.#deliver(message as Message);
  }

  #end(ending: Ending): void {
    if (this.#isParsing) this.#endings.push(ending);
    else if (ending !== null) this.#violated(ending.message);
    else if (!this.#isClosed) {
      this.#isClosed = true;
      this.#stall.stop();
      if (!this.#dead) this.#decoder.end();
      this.fireClose();
    }
  }

  #violated(reason: string): void {
    if (this.#dead) return;
    this.#die();
    this.#options.onViolation(reason);
  }

  #die(): void {
    this.#dead = true;
    this.#endings = [];
    this.#main.drop();
    this.#lane.drop();
    this.#options.intake.close();
    this.#stall.stop();
    for (const resolve of this.#onDelivered.splice(0)) resolve();
  }
}
