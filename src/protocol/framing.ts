/**
 * `Content-Length` framing, both ways. Owns bytes and limits; knows nothing of streams, timers or JSON.
 *
 * 1. Nothing is allocated for a body before its length was checked.
 * 2. Work is linear in the bytes pushed, however they are split.
 * 3. The first violation is final: `push` throws, and must not be called again.
 */

import { bytesOf, textBytes, type Attachment, type Text } from './attachments.ts';

export const MAX_HEADER_BYTES = 4096;
/** From here on JSON.parse may take so long that others notice. */
const LARGE_FRAME_BYTES = 2 ** 17;
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
const HEADER_NAMES = ['content-length', 'content-type'];
const HEADER_STARTS = HEADER_NAMES.map((name) => ({ lower: Buffer.from(`${name}:`), upper: Buffer.from(`${name}:`.toUpperCase()) }));

export class FramingError extends Error {}

/** Behind the JSON of such a frame stand bytes that belong to it. */
const WITH_ATTACHMENTS = 'application/vnd.chameleon.attachments';

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
  /** Takes a frame of at least `LARGE_FRAME_BYTES`, as bytes that are its own; without it such a frame is text as any other. */
  onLargeFrame?(body: Buffer): void;
  /** Takes a frame with bytes behind its JSON, both its own; without it such a frame is a violation. The JSON is a string where it is short. */
  onAttached?(json: string | Buffer, blob: Buffer): void;
  /** Takes lines that stand between frames; without it such bytes are a violation. */
  onStrayLine?(line: string): void;
}

export class FrameDecoder {
  readonly #options: FrameDecoderOptions;
  /** Bytes of an unfinished header or stray line. */
  #head: Buffer | null = null;
  #body: Buffer | null = null;
  #bodyLength = 0;
  #filled = 0;
  /** Length of what is to follow the body that is being read; -1 where that is the whole frame. */
  #blobLength = -1;
  /** What the blob that is being read belongs to. */
  #text: string | Buffer | null = null;

  constructor(options: FrameDecoderOptions) {
    this.#options = options;
  }

  /** True while a frame has begun and not ended. A stray line without its end is no frame. */
  get midFrame(): boolean {
    if (this.#bodyLength > 0) return true;
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
    const { length, text } = parseHeader(bytes.toString('latin1', at, end));
    this.#begin(length);
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
    return this.#text !== null || (length >= LARGE_FRAME_BYTES && this.#options.onLargeFrame !== undefined);
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

  /** Refuses an unfinished header as soon as one of its complete lines is wrong. */
  #checkLines(bytes: Buffer, at: number): void {
    const end = bytes.lastIndexOf('\r\n');
    if (end > at) parseHeader(bytes.toString('latin1', at, end), false);
  }
}

/** Whether what is there of it is how a header begins. Makes no string: of a flood of short lines each is asked. */
function looksLikeHeader(bytes: Buffer, at: number): boolean {
  for (const { lower, upper } of HEADER_STARTS) {
    const end = Math.min(lower.length, bytes.length - at);
    let i = 0;
    while (i < end && (bytes[at + i] === lower[i] || bytes[at + i] === upper[i])) i++;
    if (i === end) return true;
  }
  return false;
}

/** Throws for each way in which a header can be wrong, with its own reason. `text` is the length of the JSON where bytes follow it. */
function parseHeader(header: string, complete = true): { length: number; text: number | null } {
  let length: number | null = null;
  let text: number | null = null;
  for (const line of header.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    if (!HEADER_NAMES.includes(name)) throw new FramingError(`unknown header line ${JSON.stringify(line.slice(0, 60))}`);
    const given = line.slice(colon + 1).trim();
    if (name === 'content-length') {
      const value = decimal('Content-Length', given);
      if (length !== null) throw new FramingError('Content-Length stands twice');
      length = value;
    } else if (given.startsWith(WITH_ATTACHMENTS)) {
      if (text !== null) throw new FramingError('Content-Type stands twice');
      const parameters = given.slice(WITH_ATTACHMENTS.length).trim();
      if (!parameters.startsWith('; text=')) throw new FramingError('Content-Type does not say how long the text is');
      text = decimal('text', parameters.slice('; text='.length));
    }
  }
  if (length === null && complete) throw new FramingError('Content-Length is missing');
  return { length: length ?? 0, text };
}

function decimal(name: string, value: string): number {
  if (!/^(?:0|[1-9][0-9]*)$/.test(value)) throw new FramingError(`${name} is no decimal number: ${JSON.stringify(value.slice(0, 60))}`);
  return Number(value);
}
