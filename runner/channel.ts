/**
 * The framed duplex to the supervisor. Owns the socket, batching and backpressure; knows nothing of JSON-RPC.
 *
 * 1. Frames that are sent within one turn of the event loop leave in one write.
 * 2. While the supervisor does not take what was written, nothing more is read from it.
 * 3. `onClosed` is called once, whatever ended the stream.
 */
import { Socket } from 'node:net';
import type { ConnectOpts, SocketConstructorOpts } from 'node:net';
import { FrameDecoder, type Framed } from '../src/protocol/framing.ts';
import { native } from './natives.ts';

const READ_BUFFER_BYTES = 65_536;
/** Beyond this a batch is written at once, to keep memory and latency down. */
const BATCH_CHARS = 262_144;
/** The limit of the first frame, which tells the real one. */
const FIRST_FRAME_BYTES = 2 ** 30;

export interface ChannelEvents {
  /** `blob` is what stood behind the text. */
  onFrame(json: string, blob?: Buffer): void;
  /** All frames of one read were handed over. */
  onRead(): void;
  onDrain(): void;
  /** `fault` says what was wrong with the stream; null when it just ended. */
  onClosed(fault: string | null): void;
}

export class Channel {
  readonly #socket: Socket;
  readonly #events: ChannelEvents;
  readonly #limits;
  #batch = '';
  #scheduled = false;
  #blocked = false;
  #closed = false;
  #batching = true;
  #corked = false;

  constructor(fd: number, events: ChannelEvents) {
    this.#events = events;
    this.#limits = {
      maxMessageBytes: FIRST_FRAME_BYTES,
      onFrame: (json: string) => events.onFrame(json),
      onAttached: (json: string | Buffer, blob: Buffer) => events.onFrame(String(json), blob),
    };
    const decoder = new FrameDecoder(this.#limits);
    const read = (size: number, buffer: Uint8Array): boolean => {
      try {
        // The decoder keeps no part of what it was given, so one buffer serves all reads.
        decoder.push((buffer as Buffer).subarray(0, size));
      } catch (error) {
        this.#close((error as Error).message);
        return false;
      }
      events.onRead();
      return true;
    };
    const onread = { buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES), callback: read };
    const options: SocketConstructorOpts & ConnectOpts = { fd, readable: true, writable: true, onread };
    this.#socket = new Socket(options);
    this.#socket.on('end', () => this.#close(null));
    this.#socket.on('close', () => this.#close(null));
    this.#socket.on('error', () => this.#close(null));
    this.#socket.on('drain', () => {
      this.#blocked = false;
      this.#socket.resume();
      events.onDrain();
    });
  }

  get maxMessageBytes(): number {
    return this.#limits.maxMessageBytes;
  }

  set maxMessageBytes(bytes: number) {
    this.#limits.maxMessageBytes = bytes;
  }

  /** True while the supervisor does not take what was written. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** What was sent and has not left this process, in characters. */
  get unsent(): number {
    return this.#batch.length + this.#socket.writableLength;
  }

  send({ text, behind }: Framed): void {
    if (this.#closed) return;
    this.#batch += text;
    if (behind.length > 0) this.#follow(behind);
    if (this.#batch.length > BATCH_CHARS || (this.#corked && this.unsent > BATCH_CHARS) || !this.#batching) return this.flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    native.setImmediate(this.#onTurn);
  }

  /** Holds the socket, so that all leaves in one write still. */
  #follow(behind: readonly Buffer[]): void {
    if (!this.#corked) this.#socket.cork();
    this.#corked = true;
    this.#text();
    for (const bytes of behind) this.#socket.write(bytes);
  }

  readonly #onTurn = (): void => this.flush();

  /** The sender promises to flush within this turn, which saves scheduling it. */
  hold(): void {
    this.#scheduled = true;
  }

  /** There is no further turn of the event loop: from now on every frame is written at once. */
  stopBatching(): void {
    this.#batching = false;
    this.flush();
  }

  flush(): void {
    this.#scheduled = false;
    if ((this.#batch === '' && !this.#corked) || this.#closed) return;
    this.#text();
    if (this.#corked) this.#socket.uncork();
    this.#corked = false;
    // The return value of write() is about what was given, not about what is left after the attempt it makes at once.
    if (!this.#blocked && this.#socket.writableLength >= this.#socket.writableHighWaterMark) {
      this.#blocked = true;
      this.#socket.pause();
    }
  }

  #text(): void {
    const batch = this.#batch;
    if (batch === '') return;
    this.#batch = '';
    // Text of one byte a character, which most of it is, is copied; other text is transcoded.
    this.#socket.write(batch, Buffer.byteLength(batch) === batch.length ? 'latin1' : 'utf8');
  }

  /** Resolves when all that was sent has left this process. */
  flushed(): Promise<void> {
    this.flush();
    return this.#closed ? Promise.resolve() : new Promise((resolve) => this.#socket.write('', () => resolve()));
  }

  #close(fault: string | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#batch = '';
    this.#events.onClosed(fault);
  }
}
