/**
 * Secrets whose name is itself a value: `{"name": "DB_PASSWORD", "value": "…"}`, `<add key="Password" value="…"/>`, and the lines of YAML
 * or printed JSON that hold one of them each.
 */
import { isNoSecret, isSecretName, QUOTE } from './secret-names.ts';

/** Characters before and behind a value in which its name may stand. */
const REACH = 200;
const VALUE = new RegExp(`\\b\\w{0,20}value(?:${QUOTE})?\\s{0,4}[:=]\\s{0,4}(${QUOTE})(.*?)\\1`, 'gi');
const NAME = new RegExp(`\\b\\w{0,20}(?:key|name)(?:${QUOTE})?\\s{0,4}[:=]\\s{0,4}(${QUOTE})([^"'\`\\\\]{1,80})\\1`, 'i');
const NAME_LINE = /^\s*(?:-\s+)?["']?\w{0,20}(?:key|name)["']?\s{0,4}[:=]\s{0,4}["']?([^"',]{1,80})["']?,?$/i;
const VALUE_LINE = /^(\s*(?:-\s+)?["']?\w{0,20}value["']?\s{0,4}[:=]\s{0,4})(\S.*?)(,?)$/i;
const IN_ELEMENT = />([^<>]{1,4096})(?=<\/)/g;
/** Between a name and its value other fields may stand. */
const FIELD_LINE = /^\s+["']?[\w-]+["']?\s{0,4}[:=]/;
const NAME_FIELD = /(?:key|name)$/i;
const VALUE_FIELD = /value$/i;

/** Strikes out the values of pairs that stand in one line. */
export function strikePairs(line: string, struck: string): string {
  let clean = line;
  if (/value/i.test(clean)) {
    clean = clean.replace(VALUE, (match, quote: string, value: string, at: number, all: string) => {
      if (isNoSecret(value) || !isNamedBeside(all, at, at + match.length)) return match;
      return match.slice(0, -(value.length + 2 * quote.length)) + struck;
    });
  }
  if (!clean.includes('</')) return clean;
  return clean.replace(IN_ELEMENT, (match, value: string, at: number, all: string) =>
    isNoSecret(value.trim()) || !isSecretlyNamed(openedBefore(all, at)) ? match : `>${struck}`,
  );
}

/** True for a line with a secret name whose value follows in a later line. */
export function isSecretNameLine(line: string): boolean {
  const name = line.length <= REACH ? NAME_LINE.exec(line.trimEnd())?.[1] : undefined;
  return name !== undefined && isSecretName(name);
}

/** True for a line that may stand between the lines of a name and of its value. */
export function isFieldLine(line: string): boolean {
  return FIELD_LINE.test(line) && !isSecretNameLine(line);
}

/** Strikes the line of a value, `value: …`; null for any other line. */
export function strikeValueLine(line: string, struck: string): string | null {
  const [, before = '', value, after = ''] = VALUE_LINE.exec(line.trimEnd()) ?? [];
  if (value === undefined) return null;
  return isNoSecret(value.replace(/^(["'])(.*)\1$/, '$2')) ? line : before + struck + after;
}

/** Names of the fields whose values are secret by another field of the same object. */
export function secretFields(fields: readonly (readonly [string, unknown])[]): Set<string> {
  const isNamed = fields.some(([field, name]) => NAME_FIELD.test(field) && typeof name === 'string' && isSecretName(name));
  return new Set(isNamed ? fields.map(([field]) => field).filter((field) => VALUE_FIELD.test(field)) : []);
}

function isNamedBeside(line: string, from: number, to: number): boolean {
  const behind = line.slice(to, to + REACH);
  const end = behind.search(/[{}<>()]/);
  return isSecretlyNamed(openedBefore(line, from)) || isSecretlyNamed(end === -1 ? behind : behind.slice(0, end));
}

function openedBefore(line: string, at: number): string {
  const before = line.slice(Math.max(0, at - REACH), at);
  return before.slice(Math.max(before.lastIndexOf('{'), before.lastIndexOf('<'), before.lastIndexOf('('), before.lastIndexOf('}')) + 1);
}

function isSecretlyNamed(text: string): boolean {
  const name = NAME.exec(text)?.[2];
  return name !== undefined && isSecretName(name);
}
