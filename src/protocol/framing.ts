/**
 * Bytes in, frames out. Owns bytes and limits; knows nothing of streams, timers or JSON.
 *
 * 1. Nothing is allocated for a body before its length was checked.
 * 2. Work is linear in the bytes pushed, however they are split.
 * 3. The first violation is final: `push` throws, and must not be called again.
 */

import { FrameBody } from './frame-body.ts';
import { checkLineEnds, FramingError, isTextAlone, looksLikeHeader, MAX_HEADER_BYTES, parseHeader } from './header.ts';
import { LARGE_BYTES, MAX_PART_BYTES } from './lane.ts';
import { TextEnds } from './text-ends.ts';

export { FramingError, MAX_HEADER_BYTES };

const MAX_STRAY_LINE = 8192;
const CR = 13;
const LF = 10;
const ZERO = 48;
const NINE = 57;
const PLAIN_HEADER = Buffer.from('Content-Length: ', 'latin1');
const HEADER_END = Buffer.from('\r\n\r\n', 'latin1');

/** Where the bytes of frames are counted, from their header on until they are delivered. */
interface Room {
  /** Smaller frames are not counted. */
  readonly countedFrom: number;
  /** False where there is no room for a frame of so many bytes: then it is refused. */
  take(bytes: number): boolean;
}

export interface FrameDecoderOptions {
  maxMessageBytes: number;
  /** Without it nothing is counted. */
  room?: Room;
  /** `counted`: how much the frame holds of the room, for whoever takes it to give back. The same below. */
  onFrame(json: string, counted: number): void;
  /** Takes a frame of at least `LARGE_BYTES`, as bytes that are its own; without it such a frame is text as any other. */
  onLargeFrame?(body: Buffer, counted: number): void;
  /** Takes a frame with bytes behind its JSON, both its own; without it such a frame is a violation. The JSON is a string where it is short. */
  onAttached?(json: string | Buffer, blob: Buffer, counted: number): void;
  /** Takes what is left of a frame of so many bytes that was refused, once all of it has come. */
  onRefused?(bytes: number, text: TextEnds): void;
  /** Takes the bytes of the bulk lane's parts as they come, which are only lent; without it a part is a violation. */
  onPart?(bytes: Buffer): void;
  /** Takes lines that stand between frames; without it such bytes are a violation. */
  onStrayLine?(line: string): void;
}

export class FrameDecoder {
  readonly #options: FrameDecoderOptions;
  /** Bytes of an unfinished header or stray line. */
  #head: Buffer | null = null;
  /** How much of an unfinished header are lines that were found right. */
  #checked = 0;
  readonly #body = new FrameBody();
  #bodyLength = 0;
  #filled = 0;
  /** Length of what is to follow the body that is being read; -1 where that is the whole frame. */
  #blobLength = -1;
  /** What the blob that is being read belongs to. */
  #text: string | Buffer | null = null;
  /** What is still to come of a part of the lane. */
  #part = 0;
  /** Of the whole frame that is being read, where such frames are counted. */
  #frameBytes = 0;
  /** How much of it was counted: all, or nothing. */
  #counted = 0;
  readonly #countedFrom: number;
  /** Of a frame that was refused and is passed over. */
  #refused: TextEnds | null = null;

  constructor(options: FrameDecoderOptions) {
    this.#options = options;
    this.#countedFrom = options.room?.countedFrom ?? Infinity;
  }

  /** True while a frame has begun and not ended. A stray line without its end is no frame. */
  get midFrame(): boolean {
    if (this.#bodyLength > 0 || this.#part > 0) return true;
    if (this.#head === null) return false;
    return this.#options.onStrayLine === undefined || (this.#head.length >= PLAIN_HEADER.length && looksLikeHeader(this.#head, 0));
  }

  /** How much has come of the frame that has begun. */
  get progress(): string {
    if (this.#part > 0) return `${this.#part} bytes of its part are missing`;
    if (this.#bodyLength > 0) return `${this.#filled} of the ${this.#bodyLength} bytes of its Content-Length have come`;
    return 'its header has no end';
  }

  /** The stream has ended: what was left of a stray line is one. */
  end(): void {
    if (this.#head !== null && !this.midFrame) this.#options.onStrayLine?.(this.#head.toString('utf8').replace(/\r\n$/, ''));
    this.#head = null;
  }

  /** Throws `FramingError`. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLength > 0 || this.#part > 0) {
        at = this.#bodyLength > 0 ? this.#fill(chunk, at) : this.#pass(chunk, at);
        continue;
      }
      if (this.#head !== null) {
        // At most one header's worth of the chunk is copied behind the carried bytes, so one-byte writes stay cheap.
        const carried = this.#head.length;
        const joined = Buffer.concat([this.#head, chunk.subarray(at, at + MAX_STRAY_LINE)]);
        this.#head = null;
        const used = this.#headOrStray(joined, 0);
        if (used === -1) {
          this.#head = joined;
          return;
        }
        if (used < carried) {
          this.push(Buffer.concat([joined.subarray(used, carried), chunk.subarray(at)]));
          return;
        }
        at += used - carried;
        continue;
      }
      const next = this.#headOrStray(chunk, at);
      if (next === -1) {
        // A copy: the rest of a large chunk is not to be kept alive by a few bytes.
        this.#head = Buffer.from(chunk.subarray(at));
        return;
      }
      at = next;
    }
  }

  /** Reads one header, or one stray line, from `at`; returns where it ended, or -1 when bytes are missing. */
  #headOrStray(bytes: Buffer, at: number): number {
    const plain = this.#plainHeader(bytes, at);
    if (plain !== -1) return plain;
    if (!looksLikeHeader(bytes, at)) return this.#stray(bytes, at);
    const end = bytes.indexOf(HEADER_END, at);
    checkLineEnds(bytes.toString('latin1', at + this.#checked, Math.min(end === -1 ? bytes.length : end, at + MAX_HEADER_BYTES)));
    if (end === -1) {
      // All but the last byte of its end may be here already.
      if (bytes.length - at >= MAX_HEADER_BYTES + HEADER_END.length) throw new FramingError(`header is longer than ${MAX_HEADER_BYTES} bytes`);
      this.#checkLines(bytes, at);
      return -1;
    }
    if (end - at > MAX_HEADER_BYTES) throw new FramingError(`header is longer than ${MAX_HEADER_BYTES} bytes`);
    const { length, text, isPart } = parseHeader(bytes.toString('latin1', at, end));
    this.#checked = 0;
    if (isPart) this.#beginPart(length);
    else this.#begin(length);
    if (text !== null) this.#beginAttached(text);
    return end + HEADER_END.length;
  }

  /** The header as nearly everyone writes it, without making a string. -1 when it is anything else. */
  #plainHeader(bytes: Buffer, at: number): number {
    let i = at + PLAIN_HEADER.length;
    if (i + 5 > bytes.length || bytes.compare(PLAIN_HEADER, 0, PLAIN_HEADER.length, at, i) !== 0) return -1;
    let length = 0;
    const digits = i;
    for (; i < bytes.length && bytes[i]! >= ZERO && bytes[i]! <= NINE && i - digits < 10; i++) length = length * 10 + bytes[i]! - ZERO;
    if (i === digits || i + 4 > bytes.length || (bytes[digits] === ZERO && i - digits > 1)) return -1;
    if (bytes[i] !== CR || bytes[i + 1] !== LF || bytes[i + 2] !== CR || bytes[i + 3] !== LF) return -1;
    this.#begin(length);
    this.#checked = 0;
    return i + 4;
  }

  #begin(length: number): void {
    if (length === 0) throw new FramingError('Content-Length is 0');
    if (length > this.#options.maxMessageBytes)
      throw new FramingError(`Content-Length ${length} is over the limit of ${this.#options.maxMessageBytes} bytes`);
    this.#bodyLength = length;
    this.#filled = 0;
    if (length < this.#countedFrom) return;
    this.#frameBytes = length;
    if (this.#options.room!.take(length)) this.#counted = length;
    else this.#refused = new TextEnds();
  }

  #beginAttached(text: number): void {
    if (this.#options.onAttached === undefined) throw new FramingError('a frame has attachments, which were not agreed on');
    if (text === 0 || text > this.#bodyLength) throw new FramingError(`a frame of ${this.#bodyLength} bytes has a text of ${text}`);
    this.#blobLength = this.#bodyLength - text;
    this.#bodyLength = text;
  }

  #beginPart(length: number): void {
    if (this.#options.onPart === undefined) throw new FramingError('a part of a lane, which was not agreed on');
    if (length === 0) throw new FramingError('a part of the lane is empty');
    if (length > MAX_PART_BYTES) throw new FramingError(`a part of the lane has ${length} bytes, the limit is ${MAX_PART_BYTES}`);
    this.#part = length;
  }

  #pass(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#part);
    this.#part -= end - at;
    this.#options.onPart!(chunk.subarray(at, end));
    return end;
  }

  #fill(chunk: Buffer, at: number): number {
    const missing = this.#bodyLength - this.#filled;
    const end = Math.min(chunk.length, at + missing);
    if (this.#refused !== null) {
      this.#passOver(chunk.subarray(at, end));
      return end;
    }
    if (this.#filled === 0 && end - at === missing && !this.#isKept(missing)) {
      this.#bodyLength = 0;
      this.#complete(chunk.toString('utf8', at, end));
      return end;
    }
    this.#body.add(chunk.subarray(at, end), this.#bodyLength);
    this.#filled += end - at;
    if (this.#filled < this.#bodyLength) return end;
    this.#bodyLength = 0;
    const body = this.#body.take();
    this.#complete(this.#isKept(body.length) ? body : body.toString('utf8'));
    return end;
  }

  #passOver(bytes: Buffer): void {
    const refused = this.#refused!;
    if (this.#text === null) refused.add(bytes);
    this.#filled += bytes.length;
    if (this.#filled < this.#bodyLength) return;
    // Bytes follow the text, which tell nothing.
    if (this.#text === null && this.#blobLength > 0) return this.#beginBlob('');
    this.#bodyLength = 0;
    this.#blobLength = -1;
    this.#text = null;
    this.#refused = null;
    this.#options.onRefused!(this.#frameBytes, refused);
  }

  #countedBytes(): number {
    const counted = this.#counted;
    this.#counted = 0;
    return counted;
  }

  /** Whether what has come is handed on as bytes. */
  #isKept(length: number): boolean {
    return this.#text !== null || (length >= LARGE_BYTES && this.#options.onLargeFrame !== undefined);
  }

  #complete(body: string | Buffer): void {
    const text = this.#text;
    if (text !== null) {
      this.#text = null;
      this.#options.onAttached!(text, body as Buffer, this.#countedBytes());
    } else if (this.#blobLength !== -1) this.#beginBlob(body);
    else if (typeof body === 'string') this.#options.onFrame(body, this.#countedBytes());
    else this.#options.onLargeFrame!(body, this.#countedBytes());
  }

  #beginBlob(text: string | Buffer): void {
    this.#text = text;
    this.#bodyLength = this.#blobLength;
    this.#blobLength = -1;
    this.#filled = 0;
    if (this.#bodyLength === 0) this.#complete(Buffer.alloc(0));
  }

  #stray(bytes: Buffer, at: number): number {
    const { onStrayLine } = this.#options;
    if (onStrayLine === undefined)
      throw new FramingError(`expected a Content-Length header, found ${JSON.stringify(bytes.toString('latin1', at, at + 40))}`);
    // Only so far is looked for its end: one endless line would else be searched again for each of its pieces.
    const found = bytes[at] === LF ? 0 : bytes.subarray(at, at + MAX_STRAY_LINE).indexOf(LF);
    if (found === -1 && bytes.length - at < MAX_STRAY_LINE) return -1;
    const end = at + (found === -1 ? MAX_STRAY_LINE : found);
    if (found > 0 && !isTextAlone(bytes, at, end)) return -1;
    onStrayLine(bytes.toString('utf8', at, end).replace(/\r$/, ''));
    return found === -1 ? end : end + 1;
  }

  /** Refuses an unfinished header as soon as one of its complete lines is wrong. Keeps 2: not again for each piece of the next line. */
  #checkLines(bytes: Buffer, at: number): void {
    const length = bytes.lastIndexOf('\r\n') - at;
    if (length <= this.#checked) return;
    parseHeader(bytes.toString('latin1', at, at + length), false);
    this.#checked = length;
  }
}
