/**
 * The children that a supervisor left when it was killed with -9. Most end by themselves when their channel closes; one that
 * spins cannot notice, so the next supervisor to start ends it. Linux only: elsewhere a marker cannot be read.
 */
import { randomUUID } from 'node:crypto';
import { readlink } from 'node:fs/promises';
import { sweepCgroups } from './cgroup.ts';
import { processesMarked } from './marker.ts';
import { killProcess, readStat } from './proc.ts';

/** A new marker: `<our pid>-<our start time>-<uuid>`. The start time tells us from a later process of the same pid. */
export async function newMarker(): Promise<string> {
  ours ??= ownStartTime();
  return `${process.pid}-${ours ?? UNKNOWN}-${randomUUID()}`;
}

/** Where a start time cannot be told. */
const UNKNOWN = '0';
/** Asked once: when descriptors have run out it could not be told, and a child marked without it would pass for an orphan. */
let ours: string | null = null;

/** Kills every process whose supervisor is gone; returns their pids. */
export async function sweepOrphans(): Promise<number[]> {
  const swept: number[] = [];
  const namespace = await pidNamespace('self');
  for (const orphan of await processesMarked(() => true)) {
    if (await ownerLives(orphan.marker)) continue;
    // Seen from outside a container its supervisor's pid means nothing to us, so what lives in it is not ours to judge.
    if (namespace === null || (await pidNamespace(orphan.pid)) !== namespace) continue;
    if (killProcess(orphan)) swept.push(orphan.pid);
  }
  const unmarked = await sweepCgroups(async (marker) => !(await ownerLives(marker)));
  return [...new Set([...swept, ...unmarked])];
}

/** Whether the process that made this marker is alive; true also where it cannot be told, and for what is no marker. */
export async function ownerLives(marker: string): Promise<boolean> {
  const [owner, started] = marker.split('-');
  if (owner === undefined || started === undefined || !/^[0-9]+$/.test(owner)) return true;
  try {
    if (process.platform === 'linux') return lives(Number(owner), started);
    process.kill(Number(owner), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** A zombie supervises nothing. Throws when it cannot be told. */
function lives(pid: number, startTime: string): boolean {
  const stat = readStat(pid);
  return stat !== null && !'ZX'.includes(stat.state) && (stat.startTime === startTime || startTime === UNKNOWN);
}

function ownStartTime(): string | null {
  try {
    return readStat(process.pid)?.startTime ?? null;
  } catch {
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
