/** The two ends of a message's text, which tell to which call it belongs where the rest of it was not kept. */
import type { Outline } from './outline.ts';

/** Of each end. */
const KEPT_BYTES = 256;
const NOTHING = Buffer.alloc(0);

const FIRST_ID = /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,/;
/** Outside of a string nothing else can look so: the last bracket ends the message, so the member before it is the message's own. */
const LAST_ID = /[{,]\s*"id"\s*:\s*(\d{1,15})\s*\}\s*$/;
const FIRST_METHOD = /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"method"\s*:\s*"([^"\\]*)"/;

export class TextEnds {
  #start: Buffer = NOTHING;
  #end: Buffer = NOTHING;

  /** More of the text; nothing of it is kept alive. */
  add(bytes: Buffer): void {
    if (this.#start.length < KEPT_BYTES) this.#start = Buffer.concat([this.#start, bytes.subarray(0, KEPT_BYTES)]).subarray(0, KEPT_BYTES);
    this.#end = Buffer.concat([this.#end, bytes.subarray(-KEPT_BYTES)]).subarray(-KEPT_BYTES);
  }

  /** Null where neither end tells. */
  outline(): Outline | null {
    const start = this.#start.toString('latin1');
    const id = (FIRST_ID.exec(start) ?? LAST_ID.exec(this.#end.toString('latin1')))?.[1];
    if (id !== undefined) return { id: Number(id) };
    const method = FIRST_METHOD.exec(start)?.[1];
    return method === undefined ? null : { method };
  }
}
