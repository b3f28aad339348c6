/**
 * What the kernel tells of processes, from /proc. Linux only: elsewhere every question has the answer "nothing is known".
 *
 * 1. A pid alone names nobody: it may be another process's by now. `ProcessId` adds the start time, which tells them apart.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessId {
  readonly pid: number;
  /** In clock ticks since the machine's start, as /proc has it. */
  readonly startTime: string;
}

export interface ProcessStat extends ProcessId {
  /** Also of a zombie, which keeps its pid. */
  readonly isEnding: boolean;
  readonly state: string;
  readonly parent: number;
  readonly residentBytes: number;
}

export type Kill = (pid: number, signal: 'SIGKILL') => unknown;

const PAGE_BYTES = 4096;
/** Among the flags in field 9. The kernel sets it before a process closes its files. */
const PF_EXITING = 4;
const SHORTAGES = ['EMFILE', 'ENFILE', 'ENOMEM'];

/**
 * Null for a pid that nobody has. Synchronous, so that nothing of ours runs between the answer and a signal; the kernel answers
 * from memory. Throws where this process lacks descriptors or memory to ask.
 */
export function readStat(pid: number): ProcessStat | null {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    throwShortage(error);
    return null;
  }
}

/** Throws the error of a read from /proc that failed because this process lacks descriptors or memory. */
export function throwShortage(error: unknown): void {
  if (SHORTAGES.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
}

function parseStat(pid: number, stat: string): ProcessStat | null {
  // The name, in parentheses, may hold anything. The fields after it are plain; the first of them is field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  if (state === undefined || startTime === undefined) return null;
  const isEnding = state === 'Z' || state === 'X' || (Number(fields[6]) & PF_EXITING) !== 0;
  return { pid, startTime, isEnding, state, parent: Number(fields[1]), residentBytes: Number(fields[21]) * PAGE_BYTES };
}

/** Null also where it cannot be told, and where the pid is another process's by now. */
export function statOf({ pid, startTime }: ProcessId): ProcessStat | null {
  try {
    const stat = readStat(pid);
    return stat?.startTime === startTime ? stat : null;
  } catch {
    return null;
  }
}

/** False also where it cannot be told. */
export function hasEnded({ pid, startTime }: ProcessId): boolean {
  try {
    const stat = readStat(pid);
    return stat === null || stat.isEnding || stat.startTime !== startTime;
  } catch {
    return false;
  }
}

/** SIGKILL for this process alone. False when it has ended, or could not be told from another one. */
export function killProcess(id: ProcessId, kill: Kill = process.kill): boolean {
  const stat = statOf(id);
  if (stat === null || stat.isEnding) return false;
  try {
    kill(id.pid, 'SIGKILL');
    return true;
  } catch {
    // Another user's, or it ended just now.
    return false;
  }
}

/** The children of every thread of a process, whose pid must be certain. Empty where the kernel was built without such lists. */
export function childrenOf(pid: number): ProcessStat[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1'));
    const pids = lists.flatMap((list) => list.split(' ')).filter((child) => child !== '');
    return pids.map((child) => readStat(Number(child))).filter((stat) => stat?.parent === pid) as ProcessStat[];
  } catch {
    // A thread or the process has ended meanwhile, or no descriptors are left: the next look sees them.
    return [];
  }
}
