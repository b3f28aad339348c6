/** One child asked to let go of what only one process may have. Knows how far that came, and so how it can serve on. */
import type { Instance } from '../instance/instance.ts';
import { within } from '../util/within.ts';

/** `as-is`: it has let go of nothing. `resume`: it takes up what it let go of. `afresh`: nobody knows, so another child must. */
type Way = 'as-is' | 'resume' | 'afresh';

export class Quiescence {
  #isOver = false;
  #way: Way = 'as-is';

  /** What it hands over, once its calls have finished; null where it has nothing. Rejects with what it threw: then it has let go of nothing. */
  async ask(instance: Instance): Promise<unknown> {
    try {
      const state = await instance.quiesce(() => this.#begin());
      if (!this.#isOver) this.#way = 'resume';
      return state;
    } catch (error) {
      this.#way = 'as-is';
      throw error;
    }
  }

  /** Whether `instance` serves on, with `state`. Where it was not asked yet it is not asked any more. */
  async undo(instance: Instance, state: unknown, timeoutMs: number): Promise<boolean> {
    this.#isOver = true;
    const way = this.#way;
    if (way !== 'resume') return way === 'as-is';
    try {
      return await within(timeoutMs, instance.resume(state));
    } catch {
      return false;
    }
  }

  /** What took too long was called off: then nobody may be asked any more. */
  #begin(): boolean {
    if (!this.#isOver) this.#way = 'afresh';
    return !this.#isOver;
  }
}
