/**
 * Bytes in the JSON of the control socket, and in what `call` prints: `{"$bytes":"<base64>"}`, whichever type holds them.
 */
const KEY = '$bytes';

export interface SealedBytes {
  [KEY]: string;
}

/** The value with its bytes as base64; the value itself where there are none. */
export function sealBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (ArrayBuffer.isView(value))
    return { [KEY]: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') } satisfies SealedBytes;
  if (value instanceof ArrayBuffer) return sealBytes(new Uint8Array(value));
  return mapped(value, sealBytes);
}

/** The value with its base64 as bytes. */
export function openBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return isSealed(value) ? Buffer.from(value[KEY], 'base64') : mapped(value, openBytes);
}

export function isSealed(value: unknown): value is SealedBytes {
  if (typeof value !== 'object' || value === null || !(KEY in value)) return false;
  return typeof value[KEY] === 'string' && Object.keys(value).length === 1;
}

/** Most values hold no bytes: those are not copied. */
function mapped(value: object, map: (item: unknown) => unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(map);
    return items.every((item, at) => item === value[at]) ? value : items;
  }
  const entries = Object.entries(value).map(([key, item]) => [key, map(item)] as const);
  return entries.every(([key, item]) => item === (value as Record<string, unknown>)[key]) ? value : Object.fromEntries(entries);
}
