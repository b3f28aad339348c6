/**
 * How long threads of a process were ready to run and had no processor. Linux only; elsewhere nothing is known, and 0 is said.
 * Read synchronously: each file takes some 20 µs, and a reading that waits for the thread pool would come late on a busy machine.
 */
import { readdirSync, readFileSync } from 'node:fs';

const NS_PER_MS = 1e6;

interface Thread {
  readonly ranNs: number;
  readonly waitedNs: number;
  /** Of a wait that goes on: the kernel counts it only when the thread runs again. */
  readonly assumedMs: number;
}

/** Milliseconds that the calling thread has waited since it began. */
export function ownRunQueueMs(): number {
  return (readThread('/proc/thread-self')?.waitedNs ?? 0) / NS_PER_MS;
}

/** The run-queue wait of one process, from one reading to the next. */
export class RunQueueWait {
  readonly #folder: string;
  readonly #main: string;
  #threads = new Map<string, Thread>();
  #lastAt: number;

  constructor(pid: number, now: number) {
    this.#main = String(pid);
    this.#folder = `/proc/${pid}/task`;
    this.#lastAt = now;
    this.takeMs(now);
  }

  /**
   * Milliseconds since the reading before: those of the main thread, and those of the one other thread that waited longest.
   * A call may need both, one after the other. Idle helpers of V8 wait as well, and hold up nobody.
   */
  takeMs(now: number): number {
    const elapsedMs = now - this.#lastAt;
    this.#lastAt = now;
    const threads = new Map<string, Thread>();
    let main = 0;
    let longest = 0;
    for (const name of this.#names()) {
      const [thread, waitedMs] = this.#read(name, elapsedMs);
      threads.set(name, thread);
      if (name === this.#main) main = waitedMs;
      else longest = Math.max(longest, waitedMs);
    }
    this.#threads = threads;
    return main + longest;
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch {
      return [];
    }
  }

  #read(name: string, elapsedMs: number): [Thread, number] {
    const folder = `${this.#folder}/${name}`;
    const before = this.#threads.get(name);
    const { ranNs, waitedNs } = readThread(folder) ?? before ?? { ranNs: 0, waitedNs: 0 };
    if (before === undefined) return [{ ranNs, waitedNs, assumedMs: 0 }, 0];
    if (ranNs !== before.ranNs || waitedNs !== before.waitedNs) {
      const waitedMs = (waitedNs - before.waitedNs) / NS_PER_MS;
      return [{ ranNs, waitedNs, assumedMs: 0 }, Math.max(0, waitedMs - before.assumedMs)];
    }
    const waitedMs = name === this.#main && isRunnable(folder) ? elapsedMs : 0;
    return [{ ranNs, waitedNs, assumedMs: before.assumedMs + waitedMs }, waitedMs];
  }
}

function readThread(folder: string): { ranNs: number; waitedNs: number } | null {
  try {
    const [ran, waited] = readFileSync(`${folder}/schedstat`, 'latin1').split(' ');
    return { ranNs: Number(ran), waitedNs: Number(waited) };
  } catch {
    return null;
  }
}

function isRunnable(folder: string): boolean {
  try {
    const stat = readFileSync(`${folder}/stat`, 'latin1');
    // Its name stands in brackets, and may hold anything.
    return stat[stat.lastIndexOf(')') + 2] === 'R';
  } catch {
    return false;
  }
}
