/**
 * The children that a supervisor left when it was killed with -9. Most end by themselves when their channel closes; one that
 * spins cannot notice, so the next supervisor to start ends it. Linux only: elsewhere a marker cannot be read.
 */
import { randomUUID } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { processesMarked } from '../protocol/marker.ts';
import { kill } from './terminate.ts';

/** A new marker: `<our pid>-<our start time>-<uuid>`. The start time tells us from a later process of the same pid. */
export async function newMarker(): Promise<string> {
  ours ??= await startTime(process.pid).catch(() => null);
  return `${process.pid}-${ours ?? 0}-${randomUUID()}`;
}

/** Asked once: when descriptors have run out it could not be told, and a child marked without it would pass for an orphan. */
let ours: string | null = null;

/** Kills every process whose supervisor is gone; returns their pids. */
export async function sweepOrphans(): Promise<number[]> {
  const swept: number[] = [];
  const namespace = await pidNamespace('self');
  for (const { pid, marker } of await processesMarked(() => true)) {
    if (await ownerLives(marker)) continue;
    // Seen from outside a container its supervisor's pid means nothing to us, so what lives in it is not ours to judge.
    if (namespace === null || (await pidNamespace(pid)) !== namespace) continue;
    kill(pid);
    swept.push(pid);
  }
  return swept;
}

/** Whether the process that made this marker is alive; true also where it cannot be told, and for what is no marker. */
export async function ownerLives(marker: string): Promise<boolean> {
  const [owner, started] = marker.split('-');
  if (owner === undefined || started === undefined || !/^[0-9]+$/.test(owner)) return true;
  if (process.platform === 'linux') return (await startTime(Number(owner)).catch(() => started)) === started;
  try {
    process.kill(Number(owner), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Null for a process that is gone, also when nobody has reaped it: a zombie supervises nothing. Rejects when it cannot be told. */
async function startTime(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may hold anything; the fields after it are plain, the state first. Field 22 is the start time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch (error) {
    if (['EMFILE', 'ENFILE', 'ENOMEM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return null;
  }
}

async function pidNamespace(pid: number | 'self'): Promise<string | null> {
  try {
    return await readlink(`/proc/${pid}/ns/pid`);
  } catch {
    return null;
  }
}
