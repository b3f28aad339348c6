/**
 * Ending a child and all that it started: signal the group, then the tree, then whatever still carries the marker.
 * Owns signals; how long each rung of the ladder may take is the caller's.
 */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import treeKill from 'tree-kill';
import { processesMarked } from '../protocol/marker.ts';

const killTree = promisify((pid: number, signal: string, done: (error?: Error) => void) => treeKill(pid, signal, done));
const TREE_KILL_LIMIT_MS = 500;
const MAX_SWEEPS = 5;

/** Signals every process of the group; false when none is left. */
export function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * SIGKILL for a living child and everything below it. The tree goes first: once the child is dead, nobody can tell whose
 * children were its own. tree-kill needs `ps` and throws where there is none, so there it is left out.
 */
export async function killHard(pid: number): Promise<void> {
  if (await hasPs()) {
    const limit = AbortSignal.timeout(TREE_KILL_LIMIT_MS);
    await Promise.race([
      killTree(pid, 'SIGKILL').catch(() => {}),
      new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve(), { once: true })),
    ]);
  }
  signalGroup(pid, 'SIGKILL');
}

/** After the child's exit: ends what it left behind, in its group or out of it; again while there are new ones, for they may fork. */
export async function sweepInstance(pid: number, marker: string): Promise<void> {
  signalGroup(pid, 'SIGKILL');
  for (let pass = 0; pass < MAX_SWEEPS; pass++) {
    const strays = await processesMarked((value) => value === marker);
    if (strays.length === 0) return;
    for (const stray of strays) kill(stray.pid);
  }
}

/** SIGKILL for one process, gone or not. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already, which is what was wanted.
  }
}

let ps: Promise<boolean> | null = null;

function hasPs(): Promise<boolean> {
  ps ??= (async () => {
    if (process.platform === 'win32') return true;
    for (const dir of (process.env.PATH ?? '').split(delimiter)) {
      try {
        await access(join(dir, 'ps'), constants.X_OK);
        return true;
      } catch {
        // Not in this folder.
      }
    }
    return false;
  })();
  return ps;
}
