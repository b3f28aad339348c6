/**
 * Text from outside, made safe for a terminal. An escape is visible: `\x1b`, `\u202e`, `\n`.
 *
 * 1. No control character is left (C0, DEL, C1), so a terminal obeys nothing of it.
 * 2. No character is left that reorders or hides its neighbours: bidirectional controls, zero-width
 *    characters, lone surrogates. Joiners stay, because Persian and emoji are written with them.
 */

/** A class of characters, without its brackets. `\n` and `\t` are the callers' matter. */
const UNSAFE = String.raw`\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e001f}\ud800-\udfff`;
const IN_TEXT = new RegExp(`[${UNSAFE}]`, 'gu');
const IN_LINE = new RegExp(`[\\n${UNSAFE}]`, 'gu');
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r' };

/** Newlines and tabs stay. */
export function printable(text: string): string {
  return text.replace(IN_TEXT, visible);
}

/** The same on one line: newlines are escaped too. */
export function printableLine(text: string): string {
  return text.replace(IN_LINE, visible);
}

/** JSON text with the same value in which only safe characters stand. */
export function printableJson(json: string): string {
  return json.replace(IN_TEXT, (character) =>
    Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  );
}

function visible(character: string): string {
  const code = character.codePointAt(0)!;
  if (code > 0xffff) return `\\u{${code.toString(16)}}`;
  return SHORT[character] ?? (code > 0xff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\x${code.toString(16).padStart(2, '0')}`);
}
