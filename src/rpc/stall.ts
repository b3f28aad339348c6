import { clearTimeout, setImmediate, setTimeout } from '../util/timers.ts';

/** Patience with what has begun: it must go on, or it is told of. Owns the timer; knows nothing of what it is that goes on. */
export class Stall {
  readonly #ms: number;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | null = null;
  /** How often it went on. */
  #steps = 0;

  constructor(ms: number, onStall: () => void) {
    this.#ms = ms;
    this.#onStall = onStall;
  }

  /** It has just gone on; `isUnderWay` says whether it is to go on further. */
  went(isUnderWay: boolean): void {
    this.#steps++;
    if (!isUnderWay) this.stop();
    else if (this.#timer === null) this.#timer = setTimeout(() => this.#late(), this.#ms);
    else this.#timer.refresh();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** When our own loop was blocked the rest may lie unread, so it is read before it is judged. */
  #late(): void {
    const before = this.#steps;
    setImmediate(() => {
      if (this.#steps === before && this.#timer !== null) this.#onStall();
    });
  }
}
