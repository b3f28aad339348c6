/**
 * The list that waiting items are kept in: doubly linked, so that placing first, placing last and removing from the middle take the
 * same short time at any length. Knows order, nothing of bounds or bytes.
 */

/** What waits in a list is its own link in it. */
export interface Link<N> {
  waiting: boolean;
  before: N | null;
  after: N | null;
}

/** One admission of one item, from being offered to being released. */
export interface Admission<T> extends Link<Admission<T>> {
  readonly item: T;
  /** The queue that admitted it. */
  readonly by?: object;
  /** It has a slot; not before the start, not after the release. */
  running: boolean;
  heldBytes: number;
}

export class WaitingList<N extends Link<N>> {
  #head: N | null = null;
  #tail: N | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Places it last, or with `first` before all that wait. */
  place(node: N, first: boolean): void {
    node.waiting = true;
    this.#size++;
    if (this.#head === null || this.#tail === null) {
      this.#head = this.#tail = node;
    } else if (first) {
      node.after = this.#head;
      this.#head = this.#head.before = node;
    } else {
      node.before = this.#tail;
      this.#tail = this.#tail.after = node;
    }
  }

  shift(): N | null {
    const node = this.#head;
    if (node !== null) this.unlink(node);
    return node;
  }

  /** The node must be waiting in this list. */
  unlink(node: N): void {
    const { before, after } = node;
    if (before === null) this.#head = after;
    else before.after = after;
    if (after === null) this.#tail = before;
    else after.before = before;
    node.before = node.after = null;
    node.waiting = false;
    this.#size--;
  }

  toArray(): N[] {
    const all: N[] = [];
    for (let node = this.#head; node !== null; node = node.after) all.push(node);
    return all;
  }
}
