/**
 * `Content-Length` framing, both ways. Owns bytes and limits; knows nothing of streams, timers or JSON.
 *
 * 1. Nothing is allocated for a body before its length was checked.
 * 2. Work is linear in the bytes pushed, however they are split.
 * 3. The first violation is final: `push` throws, and must not be called again.
 */

import { bytesOf, textBytes, type Attachment, type Text } from './attachments.ts';
import { FramingError, looksLikeHeader, MAX_HEADER_BYTES, parseHeader, WITH_ATTACHMENTS } from './header.ts';
import { LARGE_BYTES, MAX_PART_BYTES } from './lane.ts';

export { FramingError, MAX_HEADER_BYTES };

const MAX_STRAY_LINE = 8192;
/** Until this has come no more is made for a body; then so much at once, which the system only lends: growing would copy it. */
const FIRST_BODY_BYTES = 65_536;
const NEXT_BODY_BYTES = 2 ** 24;
const CR = 13;
const LF = 10;
const ZERO = 48;
const NINE = 57;
const PLAIN_HEADER = Buffer.from('Content-Length: ', 'latin1');
const HEADER_END = Buffer.from('\r\n\r\n', 'latin1');

/** The text of one frame. */
export function frame(json: string): string {
  return `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`;
}

/** A frame whose text is followed by bytes that are not copied into it. */
export interface Framed {
  readonly text: string;
  readonly behind: readonly Buffer[];
}

const NOTHING: readonly Buffer[] = [];

export const framedText = (json: string): Framed => ({ text: frame(json), behind: NOTHING });

/** The frame of `before`, `json` and `after`, with attachments where there are any. */
export function framed(before: string, json: Text, after: string, attachments: readonly Attachment[]): Framed {
  if (typeof json === 'string' && attachments.length === 0) return { text: frame(before + json + after), behind: NOTHING };
  const text = Buffer.byteLength(before) + textBytes(json) + Buffer.byteLength(after);
  const header =
    attachments.length === 0
      ? `Content-Length: ${text}\r\n\r\n`
      : `Content-Length: ${text + bytesOf(attachments)}\r\nContent-Type: ${WITH_ATTACHMENTS}; text=${text}\r\n\r\n`;
  const bytes = attachments.map((attachment) => attachment.bytes);
  if (typeof json === 'string') return { text: header + before + json + after, behind: bytes };
  return { text: header + before, behind: [json, Buffer.from(after), ...bytes] };
}

export interface FrameDecoderOptions {
  maxMessageBytes: number;
  onFrame(json: string): void;
  /** Takes a frame of at least `LARGE_BYTES`, as bytes that are its own; without it such a frame is text as any other. */
  onLargeFrame?(body: Buffer): void;
  /** Takes a frame with bytes behind its JSON, both its own; without it such a frame is a violation. The JSON is a string where it is short. */
  onAttached?(json: string | Buffer, blob: Buffer): void;
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
  #body: Buffer | null = null;
  #bodyLength = 0;
  #filled = 0;
  /** Length of what is to follow the body that is being read; -1 where that is the whole frame. */
  #blobLength = -1;
  /** What the blob that is being read belongs to. */
  #text: string | Buffer | null = null;
  /** What is still to come of a part of the lane. */
  #part = 0;

  constructor(options: FrameDecoderOptions) {
    this.#options = options;
  }

  /** True while a frame has begun and not ended. A stray line without its end is no frame. */
  get midFrame(): boolean {
    if (this.#bodyLength > 0 || this.#part > 0) return true;
    if (this.#head === null) return false;
    return this.#options.onStrayLine === undefined || (this.#head.length >= PLAIN_HEADER.length && looksLikeHeader(this.#head, 0));
  }

  /** The stream has ended: what was left of a stray line is one. */
  end(): void {
    if (this.#head !== null && !this.midFrame) this.#options.onStrayLine?.(this.#head.toString('utf8'));
    this.#head = null;
  }

  /** Throws `FramingError`. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLength > 0) {
        at = this.#fill(chunk, at);
        continue;
      }
      if (this.#part > 0) {
        at = this.#pass(chunk, at);
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
    if (this.#filled === 0 && end - at === missing) {
      this.#bodyLength = 0;
      if (this.#isKept(missing)) {
        const own = Buffer.allocUnsafeSlow(missing);
        chunk.copy(own, 0, at, end);
        this.#bytes(own);
      } else this.#string(chunk.toString('utf8', at, end));
      return end;
    }
    const needed = this.#filled + end - at;
    if (this.#body === null || this.#body.length < needed) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(
          this.#bodyLength,
          Math.max(needed, this.#filled < FIRST_BODY_BYTES ? FIRST_BODY_BYTES : NEXT_BODY_BYTES, 2 * (this.#body?.length ?? 0)),
        ),
      );
      this.#body?.copy(grown, 0, 0, this.#filled);
      this.#body = grown;
    }
    chunk.copy(this.#body, this.#filled, at, end);
    this.#filled = needed;
    if (needed === this.#bodyLength) {
      const body = this.#body;
      this.#body = null;
      this.#bodyLength = 0;
      if (this.#isKept(needed)) this.#bytes(body.subarray(0, needed));
      else this.#string(body.toString('utf8', 0, needed));
    }
    return end;
  }

  /** Whether what has come is handed on as bytes. */
  #isKept(length: number): boolean {
    return this.#text !== null || (length >= LARGE_BYTES && this.#options.onLargeFrame !== undefined);
  }

  #string(json: string): void {
    if (this.#blobLength === -1) this.#options.onFrame(json);
    else this.#beginBlob(json);
  }

  #bytes(body: Buffer): void {
    const text = this.#text;
    if (text !== null) {
      this.#text = null;
      this.#options.onAttached!(text, body);
    } else if (this.#blobLength === -1) this.#options.onLargeFrame!(body);
    else this.#beginBlob(body);
  }

  #beginBlob(text: string | Buffer): void {
    this.#text = text;
    this.#bodyLength = this.#blobLength;
    this.#blobLength = -1;
    this.#filled = 0;
    if (this.#bodyLength === 0) this.#bytes(Buffer.alloc(0));
  }

  #stray(bytes: Buffer, at: number): number {
    const { onStrayLine } = this.#options;
    if (onStrayLine === undefined)
      throw new FramingError(`expected a Content-Length header, found ${JSON.stringify(bytes.toString('latin1', at, at + 40))}`);
    // Only so far is looked for its end: one endless line would else be searched again for each of its pieces.
    const found = bytes[at] === LF ? 0 : bytes.subarray(at, at + MAX_STRAY_LINE).indexOf(LF);
    if (found === -1 && bytes.length - at < MAX_STRAY_LINE) return -1;
    const end = at + (found === -1 ? MAX_STRAY_LINE : found);
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
