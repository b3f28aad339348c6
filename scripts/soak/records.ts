/**
 * What is known of every call, a few bytes each: a million of them must not look like a leak. Columns, not objects; indexed by id.
 * Only facts: what they mean is the ledger's.
 */
const FIRST_CAPACITY = 2 ** 18;

type Column = Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array;

export class Records {
  /** When it was made and when it settled, on the clock of `performance.now()`; 0 while it is open. */
  madeAt = new Float64Array(FIRST_CAPACITY);
  settledAt = new Float64Array(FIRST_CAPACITY);
  timeoutMs = new Uint32Array(FIRST_CAPACITY);
  /** Indexes into the names given below. */
  plugin = new Uint8Array(FIRST_CAPACITY);
  method = new Uint8Array(FIRST_CAPACITY);
  outcome = new Uint8Array(FIRST_CAPACITY);
  settlements = new Uint8Array(FIRST_CAPACITY);
  /** 1 where the caller was told that it did not run. */
  refused = new Uint8Array(FIRST_CAPACITY);
  /** A bit for each attempt that the plugin began. */
  begun = new Uint16Array(FIRST_CAPACITY);
  /** What the plugin wrote down last as its result, and what the caller was told. */
  written = new Uint32Array(FIRST_CAPACITY);
  told = new Uint32Array(FIRST_CAPACITY);
  count = 0;

  /** The id of a new call. */
  add(): number {
    if (this.count === this.madeAt.length) this.#grow();
    return this.count++;
  }

  /** Memory that the calls so far have touched. */
  get bytes(): number {
    return this.count * this.#columns().reduce((sum, [, { BYTES_PER_ELEMENT }]) => sum + BYTES_PER_ELEMENT, 0);
  }

  #columns(): [string, Column][] {
    return Object.entries(this).filter((entry): entry is [string, Column] => ArrayBuffer.isView(entry[1]));
  }

  #grow(): void {
    const columns = this as unknown as Record<string, Column>;
    for (const [name, old] of this.#columns()) {
      const wider = new (old.constructor as new (length: number) => Column)(old.length * 2);
      wider.set(old);
      columns[name] = wider;
    }
  }
}

/** Small numbers for a few names. */
export class Names {
  readonly list: string[] = [];
  readonly #indexes = new Map<string, number>();

  index(name: string): number {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = this.list.push(name) - 1;
      this.#indexes.set(name, index);
    }
    return index;
  }
}
