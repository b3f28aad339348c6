/**
 * To JSON without silent loss of code: what JSON cannot carry is refused with its path.
 * `undefined`, NaN and Infinity become null, a Date its ISO string, a Buffer `{ type: 'Buffer' }`: JSON's own rules. Where the other side
 * takes them, bytes travel beside the text.
 */
import { detach, isBytes, LONG_TEXT, NO_ATTACHMENTS, textOf, type Attachment, type Text } from './attachments.ts';
import { giveBack } from './lending.ts';
import { isPlain } from './string-bytes.ts';

export class NotJson extends Error {
  readonly path: string;
  readonly reason: string;
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.path = path;
    this.reason = reason;
  }
}

const MAX_DEPTH = 10_000;
/** Of one object, either way. V8 makes room in steps, and the step beyond would hold up the event loop of whoever reads it. */
export const MAX_MEMBERS = 2 ** 18;
const MAX_PRINTED_DEPTH = 100;

/** So much is looked at before it is JSON: bytes are best found before they are made a list of numbers. */
const FIRST_LOOK = 4_096;

/**
 * `root` names the value in the path of an error. With `found`, bytes go there instead of into the text, where `path` leads to the value.
 * Throws `NotJson` for BigInt, function, symbol, cycle, too deep a nesting, too large an object, a getter that throws.
 */
export function toJson(value: unknown, root: string, found: Attachment[] | null = null, path: readonly (string | number)[] = []): string {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return JSON.stringify(value);
    case 'undefined':
      return 'null';
    default:
  }
  let text: string | undefined;
  try {
    let seen = look(value, found !== null, FIRST_LOOK);
    if (seen === 'more') {
      // JSON finds the cycles, in which a look would go on for ever.
      text = JSON.stringify(value);
      seen = look(value, found !== null, Infinity);
    }
    if (seen === 'bytes') return toJson(detach(value, path, found!), root);
    if (seen === 'suspect') refuse(value, root);
    text ??= JSON.stringify(value);
  } catch (error) {
    if (error instanceof NotJson) throw error;
    // The walk finds the place; where it finds none (a throwing getter or toJSON), the error itself is the reason.
    refuse(value, root);
    throw new NotJson(root, messageOf(error));
  }
  return text ?? 'null';
}

/** So much of both ends of a long text is seen first: what escapes something mostly does so early, or ends with a line. */
const END_CHARACTERS = 512;

/** A string between two characters, or none. JSON takes a multiple of the time to look at each character of a long one. */
export function stringToJson(value: string, open: '[' | '' = '', close: ']' | '' = ''): Text {
  if (value.length >= LONG_TEXT && isPlainAtItsEnds(value)) {
    const text = textOf(value, `${open}"`, `"${close}`) as Buffer;
    const end = text.length - close.length - 1;
    // Half of a surrogate pair is nothing that UTF-8 could say.
    if (isPlain(text, open.length + 1, end) && (end - open.length - 1 === value.length || value.isWellFormed())) return text;
    giveBack(text);
  }
  return textOf(JSON.stringify(value), open, close);
}

function isPlainAtItsEnds(value: string): boolean {
  const ends = value.slice(0, END_CHARACTERS) + value.slice(-END_CHARACTERS);
  return JSON.stringify(ends).length === ends.length + 2;
}

/** What a call or its result is made of on the wire. */
export interface Payload {
  readonly json: Text;
  readonly attachments: readonly Attachment[];
}

/** It has left, and is needed no more. */
export function giveBackPayload({ json, attachments }: Payload): void {
  if (typeof json !== 'string') giveBack(json);
  for (const { bytes } of attachments) giveBack(bytes);
}

const NO_ARGUMENTS: Payload = { json: '[]', attachments: NO_ATTACHMENTS };

/** The arguments of a call, as the text of a JSON array, and the bytes in them. */
export function argsToJson(args: readonly unknown[]): Payload {
  if (!Array.isArray(args)) throw new NotJson('arguments', 'they are no array');
  if (args.length === 0) return NO_ARGUMENTS;
  if (args.length === 1 && typeof args[0] === 'string') return { json: stringToJson(args[0], '[', ']'), attachments: NO_ATTACHMENTS };
  if (args.length === 1 && typeof args[0] !== 'object')
    return { json: textOf(toJson(args[0], 'arguments[0]'), '[', ']'), attachments: NO_ATTACHMENTS };
  const attachments: Attachment[] = [];
  const texts = args.map((arg, index) => toJson(arg, `arguments[${index}]`, attachments, ['params', index]));
  return { json: textOf(texts.length === 1 ? texts[0]! : texts.join(','), '[', ']'), attachments };
}

type Seen = 'well' | 'suspect' | 'bytes' | 'more';

/**
 * Whether JSON may leave something out in silence, or go further than we do: some versions of V8 write any depth. Finds no place
 * and keeps no path, so that what is well, which is nearly all, costs a fraction of its JSON; `refuse` has the last word. `bytes` may
 * come first: what else there is is found when they are taken out. `more`: after so many values it was not done.
 */
function look(value: unknown, forBytes: boolean, most: number): Seen {
  let below: object[] = [];
  let bytes = false;
  const isCode = (item: unknown): boolean => {
    if (typeof item === 'object' && item !== null) {
      if (!ArrayBuffer.isView(item)) below.push(item);
      else if (forBytes && isBytes(item)) bytes = true;
    }
    return typeof item === 'function' || typeof item === 'symbol';
  };
  if (isCode(value)) return 'suspect';
  let looked = 0;
  for (let depth = 0; below.length > 0; depth++) {
    if (depth > MAX_DEPTH) return 'suspect';
    const level = below;
    below = [];
    for (const next of level) {
      if (bytes) return 'bytes';
      if (looked > most) return 'more';
      if (Array.isArray(next)) {
        looked += next.length;
        for (let i = 0; i < next.length; i++) if (isCode(next[i])) return 'suspect';
      }
      if (Array.isArray(next) || typeof (next as { toJSON?: unknown }).toJSON === 'function') continue;
      let members = 0;
      for (const key in next) if (isCode((next as Record<string, unknown>)[key]) || ++members > MAX_MEMBERS) return 'suspect';
      looked += members;
    }
  }
  return bytes ? 'bytes' : 'well';
}

/** Something to look at; or, once all that is in it was looked at, to forget. */
type Step = { kind: 'enter'; value: unknown; path: string; depth: number } | { kind: 'leave'; value: object };

/** Iterative, so that depth is refused by name and never overflows the stack; in the order in which JSON goes, so that the first place is named. */
function refuse(value: unknown, root: string): void {
  const above = new Set<object>();
  const todo: Step[] = [{ kind: 'enter', value, path: root, depth: 0 }];
  try {
    for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
      if (step.kind === 'leave') {
        above.delete(step.value);
        continue;
      }
      const { value: item, path, depth } = step;
      if (typeof item === 'bigint' || typeof item === 'function' || typeof item === 'symbol') throw new NotJson(path, `a ${typeof item}`);
      if (typeof item !== 'object' || item === null || 'toJSON' in item || ArrayBuffer.isView(item)) continue;
      if (depth > MAX_DEPTH) throw new NotJson(root, `nested more than ${MAX_DEPTH} levels deep`);
      if (above.has(item)) throw new NotJson(path, 'a cycle');
      above.add(item);
      todo.push({ kind: 'leave', value: item });
      const entries = Object.entries(item);
      if (entries.length > MAX_MEMBERS && !Array.isArray(item)) throw new NotJson(path, `an object of more than ${MAX_MEMBERS} members`);
      const inner = entries.map(([key, each]): Step => {
        return { kind: 'enter', value: each, path: Array.isArray(item) ? `${path}[${key}]` : `${path}.${key}`, depth: depth + 1 };
      });
      for (const each of inner.reverse()) todo.push(each);
    }
  } catch (error) {
    throw error instanceof NotJson ? error : new NotJson(root, messageOf(error));
  }
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
  } catch {
    return 'unknown';
  }
}

/** Whether what a peer sent nests deeper than whoever prints it can be trusted with: loggers and JSON itself end on their stack. */
export function isTooDeep(value: unknown, levels = MAX_PRINTED_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isTooDeep(inner, levels - 1));
}
