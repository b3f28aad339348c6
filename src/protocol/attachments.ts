/**
 * Bytes that travel beside the JSON of a call or of its result, instead of as a list of numbers in it. Owns how they are taken out of a
 * value and put back; knows nothing of frames.
 *
 * 1. In the JSON null stands where they belong; which null it is says the message, not the value, so no value can be taken for bytes.
 * 2. They are copied when they are taken out: changing them later changes nothing. The copies are borrowed, as is long text.
 * 3. What is put back has memory of its own, and goes only where the message has a null of its own.
 */
import { types } from 'node:util';
import { borrow } from './lending.ts';
import { FIRST_CALL_ID } from './messages.ts';

/** Of one message. */
export const MAX_ATTACHMENTS = 16_384;
/** Keys and indexes on the way to all of them together. */
export const MAX_ATTACHMENT_STEPS = 131_072;

type Path = readonly (string | number)[];

export interface Attachment {
  /** From the message on, as in `["params", 0, "image"]`. */
  readonly path: Path;
  readonly type: 'Buffer' | 'Uint8Array';
  readonly bytes: Buffer;
}

export const NO_ATTACHMENTS: readonly Attachment[] = [];

export const isBytes = (value: unknown): value is Uint8Array => types.isUint8Array(value);

export function bytesOf(attachments: readonly Attachment[]): number {
  let sum = 0;
  for (const { bytes } of attachments) sum += bytes.length;
  return sum;
}

/** JSON; as bytes where it is long, since to join long strings costs more than to make them. */
export type Text = string | Buffer;

/** From this length on. */
export const LONG_TEXT = 16_384;

/** `json` between two texts of ASCII, or none. */
export function textOf(json: string, open = '', close = ''): Text {
  if (json.length < LONG_TEXT) return open + json + close;
  const length = Buffer.byteLength(json);
  const bytes = borrow(open.length + length + close.length);
  bytes.write(open, 0, 'latin1');
  // Text of one byte a character, which most of it is, is copied; other text is transcoded.
  bytes.write(json, open.length, length === json.length ? 'latin1' : 'utf8');
  bytes.write(close, open.length + length, 'latin1');
  return bytes;
}

export const textBytes = (text: Text): number => (typeof text === 'string' ? Buffer.byteLength(text) : text.length);

/** What a value takes of a message. */
export function payloadBytes(json: Text, attachments: readonly Attachment[]): number {
  const bytes = textBytes(json);
  return attachments.length === 0 ? bytes : bytes + bytesOf(attachments) + Buffer.byteLength(attachmentsMember(attachments));
}

/** What of a message tells where they belong: a member that goes behind another one, or nothing. */
export function attachmentsMember(attachments: readonly Attachment[]): string {
  if (attachments.length === 0) return '';
  const each = attachments.map(({ path, type, bytes }) => `{"path":${JSON.stringify(path)},"type":"${type}","bytes":${bytes.length}}`);
  return `,"attachments":[${each.join(',')}]`;
}

/**
 * `value` with nulls for bytes; what leads to them is copied, all else is shared. Looks into arrays and objects as JSON does, and not into
 * what has a `toJSON`. Throws RangeError where there are too many, or too deep.
 */
export function detach(value: unknown, path: Path, found: Attachment[]): unknown {
  const here = [...path];
  let steps = 0;
  const walk = (item: unknown): unknown => {
    if (typeof item !== 'object' || item === null) return item;
    if (isBytes(item)) {
      steps += here.length;
      if (found.length === MAX_ATTACHMENTS || steps > MAX_ATTACHMENT_STEPS) throw new RangeError(`more than ${MAX_ATTACHMENTS} values of bytes`);
      found.push({ path: [...here], type: Buffer.isBuffer(item) ? 'Buffer' : 'Uint8Array', bytes: copyOf(item) });
      return null;
    }
    if (ArrayBuffer.isView(item) || typeof (item as { toJSON?: unknown }).toJSON === 'function') return item;
    let copy: Record<string, unknown> | unknown[] | null = null;
    const keys = Array.isArray(item) ? item.keys() : Object.keys(item);
    for (const key of keys) {
      here.push(key);
      const inner = (item as Record<string | number, unknown>)[key];
      const left = walk(inner);
      here.pop();
      if (left === inner) continue;
      copy ??= Array.isArray(item) ? [...(item as unknown[])] : { ...item };
      // An own member of the copy, whatever it is called.
      (copy as Record<string | number, unknown>)[key] = left;
    }
    return copy ?? item;
  };
  return walk(value);
}

/**
 * Puts the bytes of `blob` into a message that came with them. `side` is the member that may hold them. Returns what is wrong with
 * them, after which the message is not to be used; null when nothing is.
 */
export function attach(message: unknown, blob: Buffer, side: 'params' | 'result'): string | null {
  if (typeof message !== 'object' || message === null) return 'a frame is not a JSON-RPC message';
  const { id, attachments: list } = message as { id?: unknown; attachments?: unknown };
  if (typeof id !== 'number' || id < FIRST_CALL_ID) return 'attachments belong to a call';
  if (!Array.isArray(list) || list.length === 0) return 'attachments are an array';
  if (list.length > MAX_ATTACHMENTS) return `a message has ${list.length} attachments, the limit is ${MAX_ATTACHMENTS}`;
  let at = 0;
  let steps = 0;
  for (const each of list as unknown[]) {
    const { path, type, bytes } = (each ?? {}) as { path?: unknown; type?: unknown; bytes?: unknown };
    if (type !== 'Buffer' && type !== 'Uint8Array') return 'an attachment has a type that is not known';
    if (!Number.isSafeInteger(bytes) || (bytes as number) < 0 || (bytes as number) > blob.length - at)
      return 'an attachment lies outside of its frame';
    if (!Array.isArray(path) || path.length === 0 || path[0] !== side) return `an attachment is not in ${side}`;
    steps += path.length;
    if (steps > MAX_ATTACHMENT_STEPS) return 'attachments lie too deep';
    const end = at + (bytes as number);
    if (!put(message, path, own(blob, at, end, type))) return 'an attachment has no place in its message';
    at = end;
  }
  return at === blob.length ? null : 'a frame has bytes that are no attachment';
}

/** As JSON alone says it, for who takes nothing else. `json` is the value at the path of length `depth`. */
export function inline(json: Text, attachments: readonly Attachment[], depth: number): Text {
  const holder = { value: JSON.parse(String(json)) as unknown };
  for (const { path, type, bytes } of attachments) {
    put(holder, ['value', ...path.slice(depth)], type === 'Buffer' ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  }
  return textOf(JSON.stringify(holder.value));
}

/** Keeps 3. False where there is no such place. */
function put(message: object, path: readonly unknown[], value: Uint8Array): boolean {
  let place: unknown = message;
  for (let i = 0; ; i++) {
    const key = path[i] as string | number;
    if (typeof place !== 'object' || place === null || (typeof key !== 'string' && typeof key !== 'number') || !Object.hasOwn(place, key))
      return false;
    const inner = (place as Record<string | number, unknown>)[key];
    if (i < path.length - 1) place = inner;
    else if (inner !== null) return false;
    else {
      // An own member already: no setter is reached.
      (place as Record<string | number, unknown>)[key] = value;
      return true;
    }
  }
}

/** What a view holds, whatever a class of its own may say. */
const lengthOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype) as object, 'length')!.get as (
  this: Uint8Array,
) => number;

function copyOf(bytes: Uint8Array): Buffer {
  // What is lent has others' bytes in it: all of it must be written.
  const copy = borrow(lengthOf.call(bytes));
  copy.set(bytes);
  return copy;
}

/** Memory of its own: the whole of the blob, which is nobody else's, or a copy of the part. */
function own(blob: Buffer, from: number, to: number, type: 'Buffer' | 'Uint8Array'): Uint8Array {
  let bytes = blob;
  if (from > 0 || to < blob.length) {
    bytes = Buffer.allocUnsafeSlow(to - from);
    blob.copy(bytes, 0, from, to);
  }
  return type === 'Buffer' ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
