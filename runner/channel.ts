/**
 * The framed duplex to the supervisor. Owns the socket, batching and backpressure; knows nothing of JSON-RPC.
 *
 * 1. Frames that are sent within one turn of the event loop leave in one write.
 * 2. While the supervisor does not take what was written, nothing more is read from it. What waits in the lane was not written.
 * 3. `onClosed` is called once, whatever ended the stream.
 * 4. Of the lane no more than `AHEAD_BYTES` and one part are ever before a frame that is not in it.
 */
import { Socket } from 'node:net';
import type { ConnectOpts, SocketConstructorOpts } from 'node:net';
import { type Framed } from '../src/protocol/frame.ts';
import { FrameDecoder } from '../src/protocol/framing.ts';
import { giveBack } from '../src/protocol/lending.ts';
import { LARGE_BYTES, laneWindow, OutgoingLane } from '../src/protocol/lane.ts';
import { native } from './natives.ts';

const READ_BUFFER_BYTES = 65_536;
/** Beyond this a batch is written at once, to keep memory and latency down. */
const BATCH_CHARS = 262_144;
/** So much of the lane is handed to the socket at once: more costs whoever comes behind it, less the lane. */
const AHEAD_BYTES = 262_144;
/** So many messages of the largest size may wait in the lane before it counts as full. */
const MOST_MESSAGES = 2;
/** The limit of the first frame, which tells the real one. */
const FIRST_FRAME_BYTES = 2 ** 30;

export interface ChannelEvents {
  /** `blob` is what stood behind the text. */
  onFrame(json: string, blob?: Buffer): void;
  /** All frames of one read were handed over. */
  onRead(): void;
  /** It is not full any more. */
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
  /** Null where it was not agreed on. */
  #lane: OutgoingLane | null = null;
  /** What of the lane was handed to the socket and has not left it all. */
  #ahead = 0;
  #onEmpty: (() => void)[] = [];

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
      if (!this.#blocked) return;
      this.#blocked = false;
      this.#socket.resume();
      this.flush();
      events.onDrain();
    });
  }

  get maxMessageBytes(): number {
    return this.#limits.maxMessageBytes;
  }

  set maxMessageBytes(bytes: number) {
    this.#limits.maxMessageBytes = bytes;
  }

  /** True while the supervisor does not take what was sent. */
  get isFull(): boolean {
    return this.#blocked || (this.#lane !== null && this.#lane.bytes > MOST_MESSAGES * this.maxMessageBytes);
  }

  /** From now on large answers go beside the others. */
  openLane(): void {
    this.#lane = new OutgoingLane(laneWindow(this.maxMessageBytes));
  }

  /** The supervisor has room for so much more in the lane. */
  grant(bytes: unknown): void {
    if (!Number.isSafeInteger(bytes) || (bytes as number) < 1) return;
    this.#lane?.grant(bytes as number);
    this.#schedule();
  }

  /** What was sent beside the lane and has not left this process, in characters. */
  get unsent(): number {
    return this.#batch.length + this.#socket.writableLength - this.#ahead;
  }

  send({ text, behind }: Framed): void {
    if (this.#closed) return;
    this.#batch += text;
    if (behind.length > 0) this.#follow(behind);
    if (this.#batch.length > BATCH_CHARS || (this.#corked && this.unsent > BATCH_CHARS) || !this.#batching) return this.flush();
    this.#schedule();
  }

  /** As `send`, but what is large may come behind what is sent later. True when it is large. */
  answer(framed: Framed): boolean {
    const isLarge = sizeOf(framed) >= LARGE_BYTES;
    if (!isLarge || this.#lane === null || !this.#batching) this.send(framed);
    else if (!this.#closed) {
      this.#lane.add([Buffer.from(framed.text), ...framed.behind]);
      // At once, so that the supervisor reads while the next one is encoded.
      this.flush();
    }
    return isLarge;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    native.setImmediate(this.#onTurn);
  }

  #follow(behind: readonly Buffer[]): void {
    this.#cork();
    this.#text();
    for (const bytes of behind)
      this.#socket.write(bytes, (error) => {
        if (!error) giveBack(bytes);
      });
  }

  /** Holds the socket, so that all leaves in one write still. */
  #cork(): void {
    if (!this.#corked) this.#socket.cork();
    this.#corked = true;
  }

  /** Writes what comes next in the lane, behind all that was sent before. */
  #parts(most: number): void {
    if (this.#lane?.hasNext !== true) return;
    this.#cork();
    this.#text();
    let last: Buffer | null = null;
    while (this.#ahead < most) {
      const part = this.#lane.next();
      if (part === null) break;
      for (const piece of part) {
        this.#ahead += piece.length;
        if (last !== null) this.#socket.write(last);
        last = piece;
      }
    }
    const frames = this.#lane.taken();
    this.#socket.write(last!, (error) => {
      if (!error) this.#onParts(frames);
    });
  }

  /** All of these have left, and parts of the next one. */
  #onParts(frames: readonly (readonly Buffer[])[]): void {
    this.#ahead = 0;
    for (const pieces of frames) for (const bytes of pieces) giveBack(bytes);
    if (this.#closed) return;
    if (this.#lane!.bytes > 0) this.#schedule();
    else for (const resolve of this.#onEmpty.splice(0)) resolve();
    this.#events.onDrain();
  }

  readonly #onTurn = (): void => this.flush();

  /** The sender promises to flush within this turn, which saves scheduling it. */
  hold(): void {
    this.#scheduled = true;
  }

  /** There is no further turn of the event loop: from now on every frame is written at once. */
  stopBatching(): void {
    this.#batching = false;
    if (!this.#closed) this.#parts(Infinity);
    this.flush();
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    if (this.#ahead === 0 && !this.#blocked) this.#parts(AHEAD_BYTES);
    if (this.#batch === '' && !this.#corked) return;
    this.#text();
    if (this.#corked) this.#socket.uncork();
    this.#corked = false;
    // The return value of write() is about what was given, not about what is left after the attempt it makes at once.
    if (!this.#blocked && this.#socket.writableLength >= this.#socket.writableHighWaterMark + this.#ahead) {
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
  async flushed(): Promise<void> {
    this.flush();
    while (!this.#closed && this.#lane !== null && this.#lane.bytes + this.#ahead > 0)
      await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
    if (!this.#closed) await new Promise<void>((resolve) => this.#socket.write('', () => resolve()));
  }

  #close(fault: string | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#batch = '';
    for (const resolve of this.#onEmpty.splice(0)) resolve();
    this.#events.onClosed(fault);
  }
}

/** About: of text the characters. */
function sizeOf({ text, behind }: Framed): number {
  return behind.length === 0 ? text.length : behind.reduce((size, { length }) => size + length, text.length);
}
