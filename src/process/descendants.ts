/**
 * Notes the processes that a child starts, with their start times, while it can be told whose they are. One that has left the group and
 * carries no marker is found again by nothing else once its parent has ended. Linux only; elsewhere nothing is noted.
 */
import { childrenOf, hasEnded, killProcess, statOf, type Kill, type ProcessId } from './proc.ts';
import { setImmediate } from '../util/timers.ts';

/** So many processes are looked at before other work has its turn. */
const CHUNK = 16;
/** A plugin that starts more than this is not followed any further at one look. */
const MAX_LOOKS = 4_096;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Descendants {
  /** Null when the child has ended: then only the noted ones are known. */
  readonly #root: () => number | null;
  readonly #kill: Kill;
  readonly #noted = new Map<number, ProcessId>();
  #noting: Promise<void> | null = null;

  constructor(root: () => number | null, kill: Kill = process.kill) {
    this.#root = root;
    this.#kill = kill;
  }

  /** Resolves when all that live now are noted. Costs little for a child that has started none. */
  async note(): Promise<void> {
    // A look that is under way may have passed by a process that is there now.
    while (this.#noting !== null) await this.#noting;
    this.#noting = this.#look().finally(() => (this.#noting = null));
    await this.#noting;
  }

  /** SIGKILL for all that were noted, and for what those have started; true while there were any. */
  async kill(): Promise<boolean> {
    await this.note();
    // A parent before its children, so that it starts no more of them.
    return [...this.#noted.values()].map((each) => killProcess(each, this.#kill)).includes(true);
  }

  async #look(): Promise<void> {
    const root = this.#root();
    if (this.#noted.size === 0 && (root === null || childrenOf(root).length === 0)) return;
    for (const [pid, each] of this.#noted) if (hasEnded(each)) this.#noted.delete(pid);
    const open: (ProcessId | null)[] = [null, ...this.#noted.values()];
    for (let looks = 0; looks < open.length && looks < MAX_LOOKS; looks++) {
      if (looks % CHUNK === CHUNK - 1) await turn();
      const parent = open[looks]!;
      // Nothing of ours runs between this and the children's own numbers.
      const pid = parent === null ? this.#root() : (statOf(parent)?.pid ?? null);
      if (pid === null) continue;
      for (const { pid: child, startTime } of childrenOf(pid)) {
        if (this.#noted.get(child)?.startTime === startTime) continue;
        const id = { pid: child, startTime };
        this.#noted.set(child, id);
        open.push(id);
      }
    }
  }
}
