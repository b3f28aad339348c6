/**
 * How times are distributed, within 1 %, from a microsecond to an hour. Cells of equal width up to 128 µs, then 64 for each doubling.
 *
 * 1. Memory is that of the longest time recorded, however many were: 1 KiB for 128 µs, 4 KiB for 8 ms, 14 KiB for an hour.
 * 2. Once it has room for a time, recording it allocates nothing.
 */
import type { Distribution } from '../types.ts';

const MICROS = 1000;
const MAX_MICROS = 3_600_000_000;
const CELLS_PER_DOUBLING = 64;
/** So many bits of a time tell its cell. */
const PRECISION = 7;

export class Histogram {
  /** Doubles, as a cell of 32 bits could overflow within a day. */
  #cells = new Float64Array(0);
  #count = 0;
  #total = 0;
  #min = Infinity;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  record(ms: number): void {
    const micros = Math.min(MAX_MICROS, Math.max(0, Math.round(ms * MICROS)));
    const doublings = doublingsOf(micros);
    const cell = doublings * CELLS_PER_DOUBLING + (micros >>> doublings);
    if (cell >= this.#cells.length) this.#grow((doublings + 2) * CELLS_PER_DOUBLING);
    this.#cells[cell]!++;
    this.#count++;
    this.#total += micros;
    if (micros < this.#min) this.#min = micros;
    if (micros > this.#max) this.#max = micros;
  }

  /** In milliseconds; zeros where nothing was recorded. */
  distribution(): Distribution {
    if (this.#count === 0) return { min: 0, mean: 0, max: 0, p50: 0, p90: 0, p99: 0 };
    const [p50, p90, p99] = this.#percentiles([0.5, 0.9, 0.99]);
    return { min: this.#min / MICROS, mean: this.#total / this.#count / MICROS, max: this.#max / MICROS, p50: p50!, p90: p90!, p99: p99! };
  }

  #percentiles(shares: readonly number[]): number[] {
    let cell = -1;
    let passed = 0;
    return shares.map((share) => {
      const rank = Math.max(1, Math.ceil(share * this.#count));
      while (passed < rank) passed += this.#cells[++cell]!;
      return Math.min(this.#max, Math.max(this.#min, middleOf(cell))) / MICROS;
    });
  }

  #grow(length: number): void {
    const cells = new Float64Array(length);
    cells.set(this.#cells);
    this.#cells = cells;
  }
}

/** How often the width of a time's cell has doubled. */
const doublingsOf = (micros: number): number => Math.max(0, 32 - Math.clz32(micros) - PRECISION);

function middleOf(cell: number): number {
  const doublings = Math.max(0, Math.floor(cell / CELLS_PER_DOUBLING) - 1);
  const width = 2 ** doublings;
  return (cell - doublings * CELLS_PER_DOUBLING) * width + (width - 1) / 2;
}
