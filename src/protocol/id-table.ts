/**
 * What is open, by its id: an open-addressing table. Not a `Map`: whenever that makes room, its old table points to its new one, so that from
 * the first full collection under load on, a dead table in the old space keeps all later ones alive, with every call that was in
 * them, until the next full collection. That made a call cost twice as much.
 *
 * 1. At least half of the slots are free; what an id looks for is at its own slot, or before the next free one.
 */

const FIRST_BITS = 4;
/** 2³² ÷ the golden ratio: spreads ids that differ by the same step. */
const SPREAD = 0x9e3779b1;

export class IdTable<T extends { readonly id: number }> {
  #slots = free<T>(FIRST_BITS);
  #bits = FIRST_BITS;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | null {
    return this.#slots[this.#find(id)]!;
  }

  /** In place of what has the same id. */
  add(item: T): void {
    const slot = this.#find(item.id);
    const isNew = this.#slots[slot] === null;
    this.#slots[slot] = item;
    if (isNew && ++this.#size * 2 > this.#slots.length) this.#grow();
  }

  /** Whether it was there. */
  delete(id: number): boolean {
    let hole = this.#find(id);
    if (this.#slots[hole] === null) return false;
    const last = this.#slots.length - 1;
    // Keeps 1: what was put behind it, and may stand here, moves up.
    for (let at = (hole + 1) & last; this.#slots[at] !== null; at = (at + 1) & last) {
      const item = this.#slots[at]!;
      if (((at - this.#own(item.id)) & last) < ((at - hole) & last)) continue;
      this.#slots[hole] = item;
      hole = at;
    }
    this.#slots[hole] = null;
    this.#size--;
    return true;
  }

  clear(): void {
    this.#slots = free<T>(FIRST_BITS);
    this.#bits = FIRST_BITS;
    this.#size = 0;
  }

  /** In the order of their ids. */
  values(): T[] {
    return this.#slots.filter((item) => item !== null).sort((a, b) => a.id - b.id);
  }

  #own(id: number): number {
    return Math.imul(id, SPREAD) >>> (32 - this.#bits);
  }

  /** Where it is, or would be. */
  #find(id: number): number {
    const last = this.#slots.length - 1;
    let at = this.#own(id);
    for (let item = this.#slots[at]!; item !== null && item.id !== id; item = this.#slots[at]!) at = (at + 1) & last;
    return at;
  }

  #grow(): void {
    const items = this.#slots;
    this.#slots = free<T>(++this.#bits);
    for (const item of items) if (item !== null) this.#slots[this.#find(item.id)] = item;
  }
}

const free = <T>(bits: number): (T | null)[] => Array.from({ length: 2 ** bits }, () => null);
