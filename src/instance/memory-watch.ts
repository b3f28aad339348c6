/** What one child uses, and whether its memory nears its limit or has passed it. */
import type { ProcessTree } from '../process/process-tree.ts';
import type { PingResult } from '../protocol/messages.ts';

export interface MemoryWatchOptions {
  /** Null when it could not be spawned. */
  child: ProcessTree | null;
  limitBytes: number | null;
  /** Once: its memory passed `HIGH` of the limit. */
  onHigh(): unknown;
  onOver(usedBytes: number, limitBytes: number): void;
}

const HIGH = 0.8;

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #wasHigh = false;
  #usage: PingResult = {};

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  get usage(): PingResult {
    return this.#usage;
  }

  /** The child's own word. What the system says of its memory goes before that. */
  told(usage: PingResult): void {
    this.#usage = { ...usage, rssBytes: this.#usage.rssBytes ?? usage.rssBytes };
  }

  weigh(): void {
    const { child, limitBytes, onHigh, onOver } = this.#options;
    const rssBytes = child?.observe() ?? null;
    if (rssBytes !== null) this.#usage = { ...this.#usage, rssBytes };
    const used = this.#usage.rssBytes ?? 0;
    if (limitBytes === null || used < limitBytes * HIGH) return;
    if (used >= limitBytes) return onOver(used, limitBytes);
    if (this.#wasHigh) return;
    this.#wasHigh = true;
    onHigh();
  }
}
