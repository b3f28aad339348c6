/** The body of a frame that comes in pieces, in memory of its own. */

/** Until this has come no more is made for it; then so much at once, which the system only lends: growing would copy it. */
const FIRST_BYTES = 65_536;
const NEXT_BYTES = 2 ** 24;
const NOTHING = Buffer.alloc(0);

export class FrameBody {
  #bytes: Buffer = NOTHING;
  #filled = 0;

  /** Copies it. `whole`: how long the body is to become. */
  add(piece: Buffer, whole: number): void {
    const needed = this.#filled + piece.length;
    if (this.#bytes.length < needed) {
      const step = this.#filled < FIRST_BYTES ? FIRST_BYTES : NEXT_BYTES;
      const grown = Buffer.allocUnsafeSlow(Math.min(whole, Math.max(needed, step, 2 * this.#bytes.length)));
      this.#bytes.copy(grown, 0, 0, this.#filled);
      this.#bytes = grown;
    }
    piece.copy(this.#bytes, this.#filled);
    this.#filled = needed;
  }

  /** All that came. From now on it is empty. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#filled);
    this.#bytes = NOTHING;
    this.#filled = 0;
    return bytes;
  }
}
