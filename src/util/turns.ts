/** Work that is done one after the other, in the order in which it was asked for; a failure ends nobody else's turn. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #taken = 0;

  /** How many are under way or wait. */
  get taken(): number {
    return this.#taken;
  }

  take<T>(work: () => Promise<T>): Promise<T> {
    this.#taken++;
    const result = this.#last.then(work).finally(() => this.#taken--);
    this.#last = result.catch(() => {});
    return result;
  }
}
