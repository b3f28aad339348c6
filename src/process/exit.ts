/** From the bare facts of a child's end to a named cause. */
import type { ExitCause } from '../types.ts';

/** How the operating system says that it ended, or that it never began. */
export type RawExit =
  | { kind: 'exited'; code: number | null; signal: string | null }
  | { kind: 'not-spawned'; error: NodeJS.ErrnoException }
  /** It was left alive. `state` is the letter that the kernel has for what it does. */
  | { kind: 'unkillable'; pid: number; state: string | null; waitedMs: number };

/** It was not spawned for want of processes, descriptors or memory: that says nothing of what was to be run. */
export function isShortage(exit: RawExit): boolean {
  return exit.kind === 'not-spawned' && ['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'].includes(exit.error.code ?? '');
}

/** What the runner writes to stderr before it dies of the plugin's fault. */
const UNCAUGHT = '[chameleon] uncaught exception: ';
const UNHANDLED = '[chameleon] unhandled rejection: ';
const SIGABRT_CODE = 134;

export interface Death {
  cause: ExitCause;
  detail: string | null;
}

/** The cause of an end that nobody here asked for. */
export function causeOfDeath(exit: RawExit, stderrTail: string, kernelWasOutOfMemory = false): Death {
  if (exit.kind === 'not-spawned') return { cause: 'spawn-error', detail: exit.error.message };
  if (exit.kind === 'unkillable') return { cause: 'unkillable', detail: unkillableDetail(exit) };
  const aborted = exit.signal === 'SIGABRT' || exit.signal === 'SIGTRAP' || exit.code === SIGABRT_CODE;
  if (aborted && /heap out of memory|Allocation failed|OOM/.test(stderrTail)) return { cause: 'out-of-memory', detail: 'the V8 heap is full' };
  if (exit.signal === 'SIGKILL' && kernelWasOutOfMemory) return { cause: 'out-of-memory', detail: 'the kernel was out of memory and ended it' };
  if (exit.signal !== null) return { cause: 'signal', detail: null };
  for (const [prefix, cause] of [
    [UNCAUGHT, 'uncaught-exception'],
    [UNHANDLED, 'unhandled-rejection'],
  ] as const) {
    const at = stderrTail.lastIndexOf(prefix);
    if (at !== -1 && exit.code !== 0) return { cause, detail: stderrTail.slice(at + prefix.length).split('\n', 1)[0] ?? null };
  }
  return { cause: 'exit-code', detail: null };
}

function unkillableDetail({ pid, state, waitedMs }: Extract<RawExit, { kind: 'unkillable' }>): string {
  const held = state === null ? '' : `, and is in state ${state}`;
  return `process ${pid} did not end within ${waitedMs / 1_000} s of SIGKILL${held}: it was left; see /proc/${pid}/wchan for what holds it`;
}
