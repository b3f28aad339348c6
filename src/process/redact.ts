/**
 * Makes a child's output fit for reports: nothing that a terminal obeys, and no secret that is plain to see.
 *
 * 1. Takes time linear in the text.
 * 2. A private key is struck out line by line, even if its first line was never seen.
 */
import { printable } from '../util/printable.ts';
import { PLACED_FORMS, TOKEN_FORMS } from './secret-forms.ts';
import { isSecretName, isSecretText, opensSecretList, strikeListLine, strikeNamed } from './secret-names.ts';
import { isFieldLine, isSecretNameLine, secretFields, strikePairs, strikeValueLine } from './secret-pairs.ts';

const STRUCK = '[redacted]';
const TOKEN = new RegExp(`(?<!\\w)(?:${Object.values(TOKEN_FORMS).join('|')})`, 'g');
/** A run of the characters that tokens are made of. Most lines hold none that is long enough. */
const MAYBE_TOKEN = /[\w$~.+/=:,-]{15,}/g;
const TOKEN_PART = /[\w-]{8}[A-Za-z0-9_]{2}|\$/;
const PLACED = Object.values(PLACED_FORMS);
/** `://user:password@`: also a password that holds `@` or `/`, but not a port and a path. */
const PASSWORD_IN_URL = /(:\/\/[^\s:/?#@"'<>[\]]{0,200}:)(?!\d{1,5}(?:[/?#]|$|\s))[^\s"'<>]{1,256}(?=@[\w.[\]-])/g;
/** `https://TOKEN@`. A lone user name of SSH or a database is no secret. */
const TOKEN_IN_URL = /(https?:\/\/)[^\s:/?#@"'<>]{1,256}(?=@)/gi;
const SCHEME = /\b(bearer|basic)\s{1,4}([\w.~+/=-]{4,})/gi;
const KEY_BEGINS = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/;
const KEY_ENDS = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/;
const KEY_HEADER = /^(?:Proc-Type|DEK-Info|Version|Comment|Private-Lines|Private-MAC): /;
const BASE64 = /^[A-Za-z0-9+/=\\]+$/;
/** Base64 in a line of a key is no shorter. */
const MIN_BASE64 = 4;
/** Signs that printers put around a line, and those of them that base64 holds too. */
const BEFORE_LINE = /[\s>|"'`,+\\]/;
const BEHIND_LINE = /[\s"'`,+\\]/;
const IN_BASE64 = /[A-Za-z0-9+/=\\]/;
/** A key in one line, with its line ends escaped, or from its middle on. */
const KEY_IN_LINE = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g;
/** A place in a stack trace. There are many of them, and paths hold no secrets. */
const FRAME = /^\s+at [^?&=%"']*:\d+:\d+\)?$/;
const COLOUR = /\u001B\[[\d;:]*m/g;
const MAX_DEPTH = 32;

/** A text of several lines. */
export function redact(text: string): string {
  return redactLines(text.split('\n'));
}

/** `isInKey`: the lines before them ended within a private key. */
export function redactLines(lines: readonly string[], isInKey = false): string {
  const redactor = new Redactor(isInKey);
  const clean: string[] = [];
  for (const line of lines) {
    if (!redactor.isInKey && KEY_ENDS.test(line) && !KEY_BEGINS.test(line)) strikeBack(clean);
    clean.push(redactor.line(line));
  }
  return printable(clean.join('\n'));
}

/** The lines of one stream, one by one: a private key takes many, and a list or a name may stand above its secrets. */
export class Redactor {
  #within: 'text' | 'key' | 'list' | 'pair';

  constructor(isInKey = false) {
    this.#within = isInKey ? 'key' : 'text';
  }

  get isInKey(): boolean {
    return this.#within === 'key';
  }

  /** Notes a line that nobody will see. Cheap: of a flood of lines each comes here. */
  pass(line: string): void {
    if (this.isInKey ? !isKeyLine(line) : line.includes('PRIVATE KEY')) this.line(line);
  }

  /** The line without its secrets. A record may hold several lines: they are taken one by one. */
  line(text: string): string {
    if (!text.includes('\n')) return this.#one(text);
    return text
      .split('\n')
      .map((line) => this.#one(line))
      .join('\n');
  }

  #one(line: string): string {
    const plain = line.includes('\u001B[') ? line.replace(COLOUR, '') : line;
    const clean = this.#struck(line, plain);
    if (clean !== null) return clean;
    this.#within = 'text';
    if (FRAME.test(line)) return line;
    if (opensSecretList(plain)) this.#within = 'list';
    else if (isSecretNameLine(plain)) this.#within = 'pair';
    if (!line.includes('-----')) return strike(line);
    if (KEY_BEGINS.test(line) && !KEY_ENDS.test(line)) this.#within = 'key';
    return strike(strikeRestOfKey(line.replace(KEY_IN_LINE, STRUCK)));
  }

  /** Strikes a line by the lines above it; null if they say nothing of it. `plain`: without its colours. */
  #struck(line: string, plain: string): string | null {
    switch (this.#within) {
      case 'text':
        return null;
      case 'key':
        // A key that was cut off is followed by other text.
        if (!KEY_ENDS.test(line)) return isKeyLine(line) ? (line.trim() === '' ? line : STRUCK) : null;
        this.#within = 'text';
        return STRUCK;
      case 'list':
        return strikeListLine(plain, STRUCK);
      case 'pair': {
        // A private key has lines of its own to be struck.
        if (line.includes('-----')) return null;
        const clean = strikeValueLine(plain, STRUCK);
        if (clean !== null) this.#within = 'text';
        return clean ?? (isFieldLine(plain) ? strike(line) : null);
      }
    }
  }
}

/** A line of a key: base64, with its escaped line ends, a header of old keys, or nothing. By loops: patterns for it take cubic time. */
function isKeyLine(line: string): boolean {
  let from = 0;
  let to = line.length;
  while (from < to && BEFORE_LINE.test(line[from]!)) from++;
  while (to > from && BEHIND_LINE.test(line[to - 1]!)) to--;
  if (from === to) return true;
  const middle = line.slice(from, to);
  if (KEY_HEADER.test(middle)) return true;
  if (!BASE64.test(middle)) return false;
  while (from > 0 && IN_BASE64.test(line[from - 1]!)) from--;
  while (to < line.length && IN_BASE64.test(line[to]!)) to++;
  return to - from >= MIN_BASE64;
}

/** A key of which the line holds the end only. */
function strikeRestOfKey(line: string): string {
  const end = KEY_ENDS.exec(line);
  if (end === null) return line;
  let from = end.index;
  while (from > 0 && IN_BASE64.test(line[from - 1]!)) from--;
  return line.slice(0, from) + STRUCK + line.slice(end.index + end[0].length);
}

/** Any value of JSON: its texts, and the texts under secret names. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return new Redactor().line(value);
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  const fields = Object.entries(value);
  const paired = secretFields(fields);
  return Object.fromEntries(
    fields.map(([name, item]) => [name, isSecretName(name) || paired.has(name) ? struckTexts(name, item, depth + 1) : redactValue(item, depth + 1)]),
  );
}

function struckTexts(name: string, value: unknown, depth: number): unknown {
  if (typeof value === 'string') return isSecretText(name, value) ? STRUCK : value;
  return Array.isArray(value) ? value.map((item) => struckTexts(name, item, depth + 1)) : redactValue(value, depth);
}

/** Colours may stand between a name and its value: a line in which they hide a secret loses them. */
function strike(line: string): string {
  const clean = strikePlain(line);
  if (!line.includes('\u001B[')) return clean;
  const plain = clean.replace(COLOUR, '');
  const cleaner = strikePlain(plain);
  return cleaner === plain ? clean : cleaner;
}

function strikePlain(line: string): string {
  let clean = line.replace(MAYBE_TOKEN, (run) => (TOKEN_PART.test(run) ? run.replace(TOKEN, STRUCK) : run));
  if (clean.includes('@') && clean.includes('://')) clean = clean.replace(PASSWORD_IN_URL, `$1${STRUCK}`).replace(TOKEN_IN_URL, `$1${STRUCK}`);
  for (const { near, pattern } of PLACED) if (clean.includes(near)) clean = clean.replace(pattern, `$1${STRUCK}`);
  return strikePairs(strikeNamed(clean, STRUCK), STRUCK).replace(SCHEME, (match, scheme: string, value: string) => {
    const isSecret = scheme.toLowerCase() === 'basic' ? isCredentials(value) : isBearer(value);
    return isSecret ? match.slice(0, -value.length) + STRUCK : match;
  });
}

const isCredentials = (value: string): boolean => /^[\x20-\x7e]*:[\x20-\x7e]*$/.test(Buffer.from(value, 'base64').toString());
/** Not the words of `Bearer token is missing`. */
const isBearer = (value: string): boolean => value.length >= 20 || /\d|[._~+/=-]./.test(value) || /[a-z][A-Z]/.test(value);

/** The lines of a key that stand before its last one. */
function strikeBack(clean: string[]): void {
  for (let at = clean.length - 1; at >= 0 && clean[at] !== '' && isKeyLine(clean[at]!); at--) clean[at] = STRUCK;
}
