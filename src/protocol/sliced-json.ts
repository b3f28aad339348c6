/**
 * JSON.parse that can be left and gone on with: bytes → value, for messages so large or so dense that one go would hold up the event
 * loop. Owns the cutting, the nesting and its bounds; the pieces are parsed by JSON.parse itself. Knows nothing of time.
 *
 * 1. What it accepts JSON.parse accepts too, and to an equal value; what it refuses JSON.parse refuses, but for the two bounds below.
 * 2. A step costs a piece, whatever the bytes are, and all steps together are linear in them.
 * 3. No key reaches a setter: `__proto__` is a key like others.
 * 4. No more values than `maxValues` and those of one piece are held at a time.
 */
import { BACKSLASH, CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, isBlank, isOpened, OPEN_ARRAY, OPEN_OBJECT, QUOTE, unexpected } from './json-bytes.ts';
import { begin, put, type Container } from './json-container.ts';
import { pick, type Outline } from './outline.ts';
import { endOfString, isPlain, plainText, wholeCharacters } from './string-bytes.ts';

/** So much is looked at in one step. Nothing of this size takes JSON.parse more than a few milliseconds. */
const PIECE_BYTES = 16_384;
/**
 * Of what has no structure more is looked at: it costs a small fraction of that. Of a string not much more: V8 has those of a megabyte outside
 * of its heap, and only a full collection frees them.
 */
const PLAIN_PIECES = 16;
/** Deeper than a message can be that is small enough for one go. */
const MAX_LEVELS = 2 ** 17;

/** What may stand next: `first` is a member or the container's end, `end` a comma or the container's end. */
type Next = 'first' | 'member' | 'colon' | 'value' | 'end';

export class SlicedJson {
  readonly #bytes: Buffer;
  readonly #pieceBytes: number;
  readonly #plainBytes: number;
  /** Ours: holds the text's one value. */
  readonly #root: unknown[] = [];
  /** From the outside in. */
  readonly #containers: Container[] = [{ kind: 'array', value: this.#root }];
  #at = 0;
  #next: Next = 'value';
  /** The key whose value comes next. */
  #key = '';
  /** What was read of a string that takes more than one step; null outside of one. */
  #text: string | null = null;
  /** How far a number or a word that has no end yet was looked at. */
  #seen = 0;
  /** Arrays, objects, and what is in them, as far as the text was read. */
  values = 1;
  readonly #maxValues: number;
  /** All that is kept of a message with too many values; null while `value` has all. */
  outline: Outline | null = null;
  /** Of what one piece opens: where, and where its last comma is; -1 when it has none. The first comma is the container's own. */
  readonly #opens: Int32Array;
  readonly #commas: Int32Array;
  /** The values of the piece up to that comma, or up to the opening bracket where there is none. */
  readonly #counts: Int32Array;

  /** `bytes` are its own: they are changed. */
  constructor(bytes: Buffer, maxValues = Infinity, pieceBytes = PIECE_BYTES) {
    this.#bytes = bytes;
    this.#maxValues = maxValues;
    this.#pieceBytes = pieceBytes;
    this.#plainBytes = PLAIN_PIECES * pieceBytes;
    this.#opens = new Int32Array(pieceBytes);
    this.#commas = new Int32Array(pieceBytes + 1);
    this.#counts = new Int32Array(pieceBytes + 1);
  }

  /** What the text says, once `step` has said that it is all. */
  get value(): unknown {
    return this.#root[0];
  }

  /** Goes on by one piece; true when that was the last. Throws `SyntaxError`, after which it is not to be used. */
  step(): boolean {
    if (this.values > this.#maxValues && this.outline === null) this.#prune();
    if (this.#text !== null) return this.#string(this.#text);
    const { length } = this.#bytes;
    const limit = Math.min(length, this.#at + this.#plainBytes);
    while (this.#at < limit && isBlank(this.#bytes[this.#at]!)) this.#at++;
    if (this.#at === length) return this.#finish();
    if (this.#at === limit) return false;
    const byte = this.#bytes[this.#at]!;
    if (this.#next === 'end') {
      if (byte === COMMA && this.#containers.length > 1) {
        this.#next = 'member';
        this.values++;
      } else this.#close(byte);
      this.#at++;
    } else if (this.#next === 'colon') {
      if (byte !== COLON) throw unexpected(byte);
      this.#next = 'value';
      this.#at++;
    } else if (this.#next === 'value') this.#value(byte);
    else this.#piece();
    return false;
  }

  #finish(): true {
    if (this.#next !== 'end' || this.#containers.length > 1) throw new SyntaxError('Unexpected end of JSON input');
    return true;
  }

  get #container(): Container {
    return this.#containers.at(-1)!;
  }

  /**
   * Reads the members that are whole within a piece, at once; what it leaves open is opened, so that no byte is looked at twice but
   * those of the one member that was cut off.
   */
  #piece(): void {
    const from = this.#at;
    const isEmpty = this.#next === 'first';
    const bytes = this.#bytes;
    const opens = this.#opens;
    const commas = this.#commas;
    const counts = this.#counts;
    const limit = Math.min(bytes.length, from + this.#pieceBytes);
    let open = 0;
    let values = 0;
    commas[0] = -1;
    counts[0] = 0;
    for (let i = from; i < limit; i++) {
      const byte = bytes[i]!;
      if (byte === QUOTE) {
        for (i++; i < limit; i++) {
          const inner = bytes[i];
          if (inner === QUOTE) break;
          if (inner === BACKSLASH) i++;
        }
      } else if (byte === COMMA) {
        commas[open] = i;
        counts[open] = ++values;
      } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        opens[open++] = i;
        commas[open] = -1;
        counts[open] = ++values;
      } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
        if (open === 0) {
          this.values += values;
          this.#members(i, isEmpty);
          this.#close(byte);
          this.#at = i + 1;
          return;
        }
        // The bracket of an empty container counts once, as one value; that of another one counts for its first member, too.
        if (isOpened(bytes, i, opens[--open]!)) values--;
      }
    }
    // What stands behind the last comma or bracket is counted when it is read again, and a bracket when it is opened.
    this.values += counts[open]! - open;
    for (let level = 0; level <= open; level++) {
      const comma = commas[level]!;
      if (comma !== -1) {
        this.#members(comma, false);
        this.#at = comma + 1;
        this.#next = 'member';
      }
      if (level < open) this.#open(opens[level]!);
    }
    // One member is longer than a piece, or has no end.
    if (this.#at === from) this.#member();
  }

  /** Adds all that stands before `end`. */
  #members(end: number, mayBeNone: boolean): void {
    const container = this.#container;
    const text = this.#bytes.toString('utf8', this.#at, end);
    let found: number;
    if (container.kind === 'array') {
      const items = JSON.parse(`[${text}]`) as unknown[];
      if (this.outline === null) for (const item of items) container.value.push(item);
      found = items.length;
    } else {
      const part = JSON.parse(`{${text}}`) as Record<string, unknown>;
      const keys = Object.keys(part);
      if (this.outline === null) for (const key of keys) put(container, key, part[key]);
      else this.#keep(part);
      found = keys.length;
    }
    if (found > 0) return;
    if (!mayBeNone) throw unexpected(this.#bytes[end]!);
    this.values--;
  }

  /** Begins the array or object at `at`, before which stands its key, or nothing. */
  #open(at: number): void {
    const before = this.#bytes.toString('utf8', this.#at, at);
    if (this.#container.kind === 'object') this.#key = Object.keys(JSON.parse(`{${before}null}`) as object)[0]!;
    else if (/[^ \t\r\n]/.test(before)) throw unexpected(this.#bytes[at]!);
    this.#at = at;
    this.#value(this.#bytes[at]!);
  }

  #member(): void {
    if (this.#container.kind === 'array') this.#next = 'value';
    else if (this.#bytes[this.#at] === QUOTE) this.#begin();
    else throw unexpected(this.#bytes[this.#at]!);
  }

  #value(byte: number): void {
    if (byte === QUOTE) this.#begin();
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (this.#containers.length > MAX_LEVELS) throw new SyntaxError(`nested more than ${MAX_LEVELS} levels deep`);
      const container = begin(byte === OPEN_ARRAY ? 'array' : 'object');
      this.values++;
      this.#add(container.value);
      this.#containers.push(container);
      this.#at++;
      this.#next = 'first';
    } else this.#scalar();
  }

  /** A number, `true`, `false`, `null`, or something that is none of them. */
  #scalar(): void {
    const bytes = this.#bytes;
    let end = Math.max(this.#at, this.#seen);
    const limit = Math.min(bytes.length, end + this.#plainBytes);
    while (end < limit && !isBlank(bytes[end]!) && bytes[end] !== COMMA && bytes[end] !== CLOSE_ARRAY && bytes[end] !== CLOSE_OBJECT) end++;
    this.#seen = end;
    if (end === limit && limit < bytes.length) return;
    this.#add(JSON.parse(bytes.toString('latin1', this.#at, end)));
    this.#at = end;
  }

  #begin(): void {
    this.#text = '';
    this.#at++;
  }

  /** Goes on with a string, `text` of which was read. */
  #string(text: string): false {
    const bytes = this.#bytes;
    const at = this.#at;
    const limit = Math.min(bytes.length, at + this.#plainBytes);
    const quote = bytes.subarray(at, limit).indexOf(QUOTE);
    let end = quote === -1 ? limit : at + quote;
    const isAsItStands = isPlain(bytes, at, end);
    if (!isAsItStands) end = endOfString(bytes, at, limit);
    if (end >= bytes.length) throw new SyntaxError('Unterminated string in JSON');
    const isEnd = end < limit;
    if (!isEnd) end = wholeCharacters(bytes, end);
    const read = text + (isAsItStands ? plainText(bytes, at, end) : this.#unescaped(end));
    this.#at = end;
    this.#text = isEnd ? null : read;
    if (!isEnd) return false;
    this.#at++;
    if (this.#next === 'value') this.#add(read);
    else {
      this.#key = read;
      this.#next = 'colon';
    }
    return false;
  }

  /** Between quotes of ours, which cost less than to join them to it. What stands before was read; what stands behind is put back. */
  #unescaped(end: number): string {
    const bytes = this.#bytes;
    const from = this.#at - 1;
    const behind = bytes[end]!;
    bytes[from] = bytes[end] = QUOTE;
    const piece = bytes.toString('utf8', from, end + 1);
    bytes[end] = behind;
    return JSON.parse(piece) as string;
  }

  #add(value: unknown): void {
    const container = this.#container;
    if (this.outline !== null) this.#keep({ [this.#key]: value });
    else if (container.kind === 'array') container.value.push(value);
    else put(container, this.#key, value);
    this.#next = 'end';
  }

  /** Lets go of all that was built. The rest of the text is checked, and what is known of the message is kept. */
  #prune(): void {
    this.outline = {};
    const message = this.#root[0];
    if (typeof message === 'object' && message !== null && !Array.isArray(message)) pick(message, this.outline);
    this.#root.length = 0;
    for (const [level, { kind }] of this.#containers.entries()) this.#containers[level] = begin(kind);
  }

  /** Of members that stand in the container. */
  #keep(members: object): void {
    if (this.#containers.length === 2 && this.#container.kind === 'object') pick(members, this.outline!);
  }

  #close(byte: number): void {
    const expected = this.#container.kind === 'array' ? CLOSE_ARRAY : CLOSE_OBJECT;
    if (byte !== expected || this.#containers.length === 1) throw unexpected(byte);
    this.#containers.pop();
    this.#next = 'end';
  }
}
