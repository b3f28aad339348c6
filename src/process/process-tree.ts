/**
 * A child and all that it starts, and how it is ended: the tree below it first, then its group, then whatever is left. Owns signals.
 *
 * 1. A child's pid and group are signalled only while the child holds the pid: until Node has reaped it.
 * 2. Any other process is signalled only with the start time that it had when it was certainly ours, or through its cgroup.
 * 3. A child that SIGKILL does not end is left: `ended` resolves all the same.
 */
import type { ChildProcess } from 'node:child_process';
import { promisify } from 'node:util';
import treeKill from 'tree-kill';
import { within } from '../util/within.ts';
import { Cgroup } from './cgroup.ts';
import { Descendants } from './descendants.ts';
import type { RawExit } from './exit.ts';
import { processesMarked } from './marker.ts';
import { killProcess, readStat, statOf, type ProcessId, type ProcessStat } from './proc.ts';

const killTree = promisify((pid: number, signal: string, done: (error?: Error) => void) => treeKill(pid, signal, done));
const TREE_KILL_LIMIT_MS = 500;
const MAX_SWEEPS = 5;
const CONFINE_MS = 500;
/** A process ends of SIGKILL within this time, unless the kernel holds it. */
const UNKILLABLE_MS = 5_000;

export class ProcessTree {
  readonly pid: number;
  readonly ended: Promise<RawExit>;
  /** Resolves when the child is in a cgroup of its own, or there is none for it, or that takes too long to know. */
  confined: Promise<unknown> = Promise.resolve();
  readonly #process: ChildProcess;
  readonly #marker: string;
  /** Null where start times cannot be told. */
  readonly #id: ProcessId | null;
  readonly #descendants = new Descendants(() => (this.holdsPid ? this.pid : null));
  #confining: Promise<void> | null = null;
  #cgroup: Cgroup | null = null;
  #isBeingKilled = false;
  #leave!: (exit: RawExit) => void;

  /** Of a child that was just spawned, in a process group of its own. */
  constructor(child: ChildProcess, pid: number, marker: string) {
    this.pid = pid;
    this.#process = child;
    this.#marker = marker;
    this.#id = idOf(pid);
    this.ended = new Promise((resolve) => {
      this.#leave = resolve;
      child.once('exit', (code, signal) => resolve({ kind: 'exited', code, signal }));
    });
  }

  /**
   * Moves the child into a cgroup of its own, where that is possible. A child that starts its plugin when it is told to is told after
   * that; any other one is stopped meanwhile (`isHeld`), so that it starts nothing outside of it.
   */
  confine(isHeld: boolean): void {
    const hold = (signal: 'SIGSTOP' | 'SIGCONT'): boolean => isHeld && this.#id !== null && this.holdsPid && send(this.pid, signal);
    hold('SIGSTOP');
    this.#confining = Cgroup.around(this, this.#marker).then((cgroup) => {
      this.#cgroup = cgroup;
      hold('SIGCONT');
    });
    this.confined = within(CONFINE_MS, this.#confining);
  }

  /** The kernel keeps the pid of a child, and its group, until Node has reaped it. Node may reap several before it tells of the first. */
  get holdsPid(): boolean {
    if (this.#hasEnded) return false;
    if (this.#id === null) return true;
    try {
      return readStat(this.pid)?.startTime === this.#id.startTime;
    } catch {
      return true;
    }
  }

  /** Signals every process of the child's group; false when the child has ended. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): boolean {
    return this.holdsPid && send(-this.pid, signal);
  }

  /** True while the kernel takes the child apart: a large process closes its pipes long before it has ended. False where it cannot be told. */
  get isEnding(): boolean {
    return this.#stat()?.isEnding ?? false;
  }

  /** SIGKILL for what is left in the group of a child that is ending. Its group cannot be told from another's later. */
  endGroup(): void {
    if (this.isEnding) this.signal('SIGKILL');
  }

  /**
   * Resident memory of the child in bytes, read from outside so that a blocked child cannot hide it; null where it cannot be told.
   * Notes what the child has started.
   */
  observe(): number | null {
    void this.note();
    // A child that is ending has let go of its memory: that says nothing of what it had.
    return this.#stat()?.residentBytes || null;
  }

  /** Notes what the child has started, where its cgroup does not. */
  async note(): Promise<void> {
    if (this.#cgroup === null) await this.#descendants.note();
  }

  /** SIGKILL for the child and everything below it. Resolves when it has ended, or is left. Again: for its group at once. */
  async kill(): Promise<void> {
    if (this.#isBeingKilled) return void this.signal('SIGKILL');
    this.#isBeingKilled = true;
    // The tree goes first: once the child is dead, nobody can tell whose children were its own.
    await within(TREE_KILL_LIMIT_MS, this.#killBelow());
    this.signal('SIGKILL');
    if (await within(UNKILLABLE_MS, this.ended)) return;
    this.#leave({ kind: 'unkillable', pid: this.pid, state: this.#stat()?.state ?? null, waitedMs: UNKILLABLE_MS });
    // It must not keep this process alive, too.
    this.#process.unref();
  }

  /** After the child's end: ends what it left behind, wherever that is; again while there is more, for it may fork. */
  async sweep(): Promise<void> {
    await this.#confining;
    await this.#cgroup?.end();
    for (let pass = 0; pass < MAX_SWEEPS; pass++) {
      const strays = await processesMarked((marker) => marker === this.#marker);
      const hadNoted = await this.#descendants.kill();
      for (const stray of strays) killProcess(stray);
      if (strays.length === 0 && !hadNoted) return;
    }
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  #stat(): ProcessStat | null {
    return this.#id === null || this.#hasEnded ? null : statOf(this.#id);
  }

  async #killBelow(): Promise<void> {
    if (this.#cgroup !== null) return this.#cgroup.kill();
    // tree-kill starts a process for each one that it finds, and throws where nobody can catch it when there are no descriptors.
    if (process.platform === 'linux') return this.#killDescendants();
    // Its listing is some milliseconds old when it signals: elsewhere nothing tells more of a process.
    if (this.holdsPid) await killTree(this.pid, 'SIGKILL').catch(() => {});
  }

  async #killDescendants(): Promise<void> {
    for (let pass = 0; pass < MAX_SWEEPS && (await this.#descendants.kill()); pass++);
  }
}

/** False where there is nothing to signal. */
function send(target: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch {
    return false;
  }
}

/** Null off Linux, and where nothing can be asked. */
function idOf(pid: number): ProcessId | null {
  try {
    return readStat(pid);
  } catch {
    return null;
  }
}
