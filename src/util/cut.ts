/** The first `length` characters of a text, as a copy: V8 keeps a whole string for as long as a slice of it is in use. */
export function cut(text: string, length: number): string {
  return text.length <= length ? text : Buffer.from(text.slice(0, length), 'utf16le').toString('utf16le');
}
