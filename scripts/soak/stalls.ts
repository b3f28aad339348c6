/** When our own event loop stood still: what is late for that reason alone is not the supervisor's to answer for, and is counted apart. */
const TICK_MS = 20;
const KEPT_MS = 60_000;

export class Stalls {
  readonly #timer: NodeJS.Timeout;
  #stalls: { from: number; to: number }[] = [];
  #due = performance.now() + TICK_MS;
  worstMs = 0;
  totalMs = 0;

  constructor() {
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  tick(): void {
    const now = performance.now();
    const late = now - this.#due;
    if (late > TICK_MS) {
      this.#stalls.push({ from: this.#due, to: now });
      this.worstMs = Math.max(this.worstMs, late);
      this.totalMs += late;
      if (this.#stalls[0]!.to < now - KEPT_MS) this.#stalls = this.#stalls.filter(({ to }) => to >= now - KEPT_MS);
    }
    this.#due = now + TICK_MS;
  }

  /** How much of the time between these two it stood still. */
  between(from: number, to: number): number {
    let ms = 0;
    for (const stall of this.#stalls) ms += Math.max(0, Math.min(to, stall.to) - Math.max(from, stall.from));
    return ms;
  }
}
