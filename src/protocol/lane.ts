/**
 * The bulk lane: a second stream of frames beside the first, cut into parts, so that what is large does not hold up what is small behind
 * it. Owns its numbers and how frames become parts; knows nothing of sockets.
 *
 * 1. The parts' bytes, in order, are the frames that were added, in order.
 * 2. No more is sent than the other side has room for: it grants what it has taken.
 */

/** What a side says when it takes parts. */
export const LANE = 'lane';

export const PART_OF_LANE = 'application/vnd.chameleon.lane';

/** Of one part: between two of them others may go. */
export const MAX_PART_BYTES = 65_536;

/** From here on parsing takes so long that others notice: such a message goes into the lane. */
export const LARGE_BYTES = 2 ** 17;

/** Who takes parts grants what it took once it is so much: less is not worth a message. */
export const MIN_GRANT_BYTES = 2 ** 16;

/** What may be on its way at the beginning: any message with its header, whatever was not yet granted. */
export const laneWindow = (maxMessageBytes: number): number => maxMessageBytes + MAX_PART_BYTES + MIN_GRANT_BYTES;

/** The sending end. */
export class OutgoingLane {
  #room: number;
  /** The pieces of each frame: there may be thousands in one, and to shift one out of all of them would cost as much as those. */
  #waiting: (readonly Buffer[])[] = [];
  /** Which piece of the first frame is next, and how much of that was taken. */
  #piece = 0;
  #at = 0;
  #bytes = 0;
  #taken: (readonly Buffer[])[] = [];

  constructor(room: number) {
    this.#room = room;
  }

  /** What was added and not taken. */
  get bytes(): number {
    return this.#bytes;
  }

  get hasNext(): boolean {
    return this.#bytes > 0 && this.#room > 0;
  }

  /** The pieces of one frame, which are not copied. */
  add(pieces: readonly Buffer[]): void {
    const some = pieces.filter(({ length }) => length > 0);
    if (some.length > 0) this.#waiting.push(some);
    for (const { length } of some) this.#bytes += length;
  }

  /** The pieces of the frames that were taken to their end since it was last asked. */
  taken(): (readonly Buffer[])[] {
    return this.#taken.splice(0);
  }

  grant(bytes: number): void {
    this.#room += bytes;
  }

  /** The pieces of the next part, its header first; null when there is none, or no room for one. */
  next(): Buffer[] | null {
    const length = Math.min(this.#bytes, this.#room, MAX_PART_BYTES);
    if (length === 0) return null;
    const pieces: Buffer[] = [Buffer.from(`Content-Length: ${length}\r\nContent-Type: ${PART_OF_LANE}\r\n\r\n`, 'latin1')];
    for (let missing = length; missing > 0;) {
      const frame = this.#waiting[0]!;
      const first = frame[this.#piece]!;
      const piece = first.subarray(this.#at, this.#at + missing);
      pieces.push(piece);
      missing -= piece.length;
      this.#at += piece.length;
      if (this.#at < first.length) continue;
      this.#at = 0;
      if (++this.#piece < frame.length) continue;
      this.#piece = 0;
      this.#waiting.shift();
      this.#taken.push(frame);
    }
    this.#bytes -= length;
    this.#room -= length;
    return pieces;
  }
}
