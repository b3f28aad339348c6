/**
 * The list that waiting items are kept in: doubly linked, so that placing first, placing last and removing from the middle take the
 * same short time at any length. Knows order, nothing of bounds or bytes.
 */

/** One admission of one item, from being offered to being released. It is its own link in the list while it waits. */
export interface Admission<T> {
  readonly item: T;
  waiting: boolean;
  /** It has a slot; not before the start, not after the release. */
  running: boolean;
  heldBytes: number;
  before: Admission<T> | null;
  after: Admission<T> | null;
}

export class WaitingList<T> {
  #head: Admission<T> | null = null;
  #tail: Admission<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Places it last, or with `first` before all that wait. */
  place(admission: Admission<T>, first: boolean): void {
    admission.waiting = true;
    this.#size++;
    if (this.#head === null || this.#tail === null) {
      this.#head = this.#tail = admission;
    } else if (first) {
      admission.after = this.#head;
      this.#head = this.#head.before = admission;
    } else {
      admission.before = this.#tail;
      this.#tail = this.#tail.after = admission;
    }
  }

  shift(): Admission<T> | null {
    const admission = this.#head;
    if (admission !== null) this.unlink(admission);
    return admission;
  }

  /** The admission must be waiting in this list. */
  unlink(admission: Admission<T>): void {
    const { before, after } = admission;
    if (before === null) this.#head = after;
    else before.after = after;
    if (after === null) this.#tail = before;
    else after.before = before;
    admission.before = admission.after = null;
    admission.waiting = false;
    this.#size--;
  }

  toArray(): Admission<T>[] {
    const all: Admission<T>[] = [];
    for (let admission = this.#head; admission !== null; admission = admission.after) all.push(admission);
    return all;
  }
}
