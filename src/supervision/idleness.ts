/**
 * Whether nobody has called for so long that a deployment's children need not live. Looks when that may be so, and not at each call.
 * What follows from it is the deployment's to do.
 */
import type { Dispatcher } from './dispatcher.ts';
import { clearTimeout, performance, setTimeout } from '../util/timers.ts';

export class Idleness {
  readonly #timeoutMs: number | null;
  readonly #dispatcher: Dispatcher;
  readonly #onIdle: () => void;
  #timer: NodeJS.Timeout | null = null;

  /** `timeoutMs` null: never. `onIdle` is called once for each `watch`. */
  constructor(timeoutMs: number | null, dispatcher: Dispatcher, onIdle: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#dispatcher = dispatcher;
    this.#onIdle = onIdle;
  }

  /** From now on, until it has been idle or `end`. */
  watch(): void {
    if (this.#timeoutMs !== null && this.#timer === null) this.#wait(this.#timeoutMs);
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => this.#look(this.#timeoutMs!), ms);
  }

  #look(timeoutMs: number): void {
    const { running, waiting, lastCallAt } = this.#dispatcher;
    const left = running + waiting > 0 ? timeoutMs : lastCallAt + timeoutMs - performance.now();
    // Rounding of timers makes them fire a fraction early.
    if (left > 1) return this.#wait(left);
    this.#timer = null;
    this.#onIdle();
  }
}
