/**
 * The list that p-queue keeps waiting items in: doubly linked, so that placing first, placing last and removing from the middle
 * take the same short time at any length. Knows order, nothing of bounds or bytes.
 */
import type { Queue, QueueAddOptions } from 'p-queue';

type Run = () => Promise<unknown>;

/** One admission of one item, from being offered to being released. It is its own link in the list while it waits. */
export interface Admission<T> {
  readonly item: T;
  /** Goes before all that wait. */
  readonly first: boolean;
  waiting: boolean;
  heldBytes: number;
  /** Ends the task that occupies the slot; null before the start and after the release. */
  free: (() => void) | null;
  run: Run | null;
  before: Admission<T> | null;
  after: Admission<T> | null;
}

/** What p-queue hands on from `add` to `enqueue`. */
export interface Placing<T> extends QueueAddOptions {
  readonly admission: Admission<T>;
}

export class WaitingList<T> implements Queue<Run, Placing<T>> {
  #head: Admission<T> | null = null;
  #tail: Admission<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  enqueue(run: Run, { admission }: Partial<Placing<T>> = {}): void {
    if (admission === undefined) throw new TypeError('an item is placed by its admission');
    admission.run = run;
    admission.waiting = true;
    this.#size++;
    if (this.#head === null || this.#tail === null) {
      this.#head = this.#tail = admission;
    } else if (admission.first) {
      admission.after = this.#head;
      this.#head = this.#head.before = admission;
    } else {
      admission.before = this.#tail;
      this.#tail = this.#tail.after = admission;
    }
  }

  dequeue(): Run | undefined {
    const admission = this.#head;
    if (admission === null) return undefined;
    const { run } = admission;
    this.unlink(admission);
    return run!;
  }

  /** The admission must be waiting in this list. */
  unlink(admission: Admission<T>): void {
    const { before, after } = admission;
    if (before === null) this.#head = after;
    else before.after = after;
    if (after === null) this.#tail = before;
    else after.before = before;
    admission.before = admission.after = admission.run = null;
    admission.waiting = false;
    this.#size--;
  }

  toArray(): Admission<T>[] {
    const all: Admission<T>[] = [];
    for (let admission = this.#head; admission !== null; admission = admission.after) all.push(admission);
    return all;
  }

  /** For p-queue's `sizeBy`, which nobody calls. */
  filter(): Run[] {
    return this.toArray().map((admission) => admission.run!);
  }

  /** Nothing here has a priority. */
  setPriority(): void {}
}
