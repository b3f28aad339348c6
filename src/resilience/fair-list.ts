/**
 * The list that waiting items are kept in where callers are to have equal shares: a line for each key, and the lines take turns. Same
 * promises as `WaitingList`: each step takes the same short time, however many keys and items there are.
 *
 * 1. Of keys with waiting items each has one turn before any has its second.
 * 2. First in, first out within a key; what was placed first goes before all keys.
 * 3. A key without waiting items takes no memory.
 */
import { type Admission, type Link, WaitingList } from './waiting-list.ts';

type Key = string | undefined;

interface Line<T> extends Link<Line<T>> {
  readonly key: Key;
  readonly admissions: WaitingList<Admission<T>>;
}

export class FairList<T extends { readonly key?: Key }> {
  readonly #lines = new Map<Key, Line<T>>();
  /** The lines in the order of their turns. */
  readonly #turns = new WaitingList<Line<T>>();
  readonly #front = new WaitingList<Admission<T>>();
  readonly #inFront = new Set<Admission<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How many items of this key wait. Items without a key are one caller's. */
  sizeOf(key: Key): number {
    return this.#lines.get(key)?.admissions.size ?? 0;
  }

  place(admission: Admission<T>, first: boolean): void {
    this.#size++;
    if (first) {
      this.#inFront.add(admission);
      return this.#front.place(admission, true);
    }
    const { key } = admission.item;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = { key, admissions: new WaitingList(), waiting: false, before: null, after: null };
      this.#lines.set(key, line);
      this.#turns.place(line, false);
    }
    line.admissions.place(admission, false);
  }

  shift(): Admission<T> | null {
    if (this.#front.size > 0) {
      const admission = this.#front.shift()!;
      this.#inFront.delete(admission);
      this.#size--;
      return admission;
    }
    const line = this.#turns.shift();
    if (line === null) return null;
    this.#size--;
    const admission = line.admissions.shift();
    if (line.admissions.size > 0) this.#turns.place(line, false);
    else this.#lines.delete(line.key);
    return admission;
  }

  /** The admission must be waiting in this list. */
  unlink(admission: Admission<T>): void {
    this.#size--;
    if (this.#inFront.delete(admission)) return this.#front.unlink(admission);
    const line = this.#lines.get(admission.item.key)!;
    line.admissions.unlink(admission);
    if (line.admissions.size > 0) return;
    this.#turns.unlink(line);
    this.#lines.delete(line.key);
  }

  /** In the order in which they would be shifted. */
  toArray(): Admission<T>[] {
    const all = this.#front.toArray();
    let lines = this.#turns.toArray().map(({ admissions }) => admissions.toArray());
    for (let turn = 0; lines.length > 0; turn++) {
      for (const line of lines) all.push(line[turn]!);
      lines = lines.filter(({ length }) => length > turn + 1);
    }
    return all;
  }
}
