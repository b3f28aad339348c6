/**
 * Ending a child and all that it started: signal the group, then the tree, then whatever still carries the marker.
 * Owns signals; how long each rung of the ladder may take is the caller's.
 */
import { promisify } from 'node:util';
import treeKill from 'tree-kill';
import { processesMarked, readProcesses } from '../protocol/marker.ts';

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
 * children were its own. On Linux it is read from /proc: tree-kill starts a `ps` for every process that it finds, which a large tree
 * turns into a storm, and a host without descriptors into an exception that nobody can catch.
 */
export async function killHard(pid: number): Promise<void> {
  const tree = process.platform === 'linux' ? killBelow(pid) : killTree(pid, 'SIGKILL').catch(() => {});
  const limit = AbortSignal.timeout(TREE_KILL_LIMIT_MS);
  await Promise.race([tree, new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve(), { once: true }))]);
  signalGroup(pid, 'SIGKILL');
}

async function killBelow(root: number): Promise<void> {
  const children = new Map<number, number[]>();
  await readProcesses('stat', (pid, stat) => {
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  });
  const killChildrenOf = (pid: number): void => {
    for (const child of children.get(pid) ?? []) {
      kill(child);
      killChildrenOf(child);
    }
  };
  killChildrenOf(root);
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
