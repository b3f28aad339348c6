/**
 * Limits how many tasks run at a time. The highest priority goes first; among equals, the oldest task. p-queue has this too, but it
 * starts the next task through the global `queueMicrotask`, which the fake timers of a host's tests replace.
 */

/** Does not reject. */
type Task = () => Promise<void>;

export class Limiter {
  readonly #limit: number;
  readonly #waiting: { task: Task; priority: number }[] = [];
  #pending = 0;
  #idleWaiters: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Tasks that run. */
  get pending(): number {
    return this.#pending;
  }

  add(task: Task, priority = 0): void {
    const behind = this.#waiting.findIndex((other) => other.priority < priority);
    this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, { task, priority });
    this.#next();
  }

  /** Resolves when no task runs or waits. */
  async onIdle(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  #next(): void {
    while (this.#pending < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#pending++;
      void next.task().finally(() => {
        this.#pending--;
        this.#next();
      });
    }
    if (this.#pending === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }
}
