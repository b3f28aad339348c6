/** The bytes that give JSON its structure. */
export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_ARRAY = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

/** True when nothing stands between the bracket that opens and the one that closes. */
export function isOpened(bytes: Buffer, close: number, open: number): boolean {
  let at = close - 1;
  while (at > open && isBlank(bytes[at]!)) at--;
  return at === open;
}

export function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

export function unexpected(byte: number): SyntaxError {
  return new SyntaxError(`Unexpected ${JSON.stringify(String.fromCharCode(byte))} in JSON`);
}
