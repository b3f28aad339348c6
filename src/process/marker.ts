/**
 * Finds the processes that carry an instance's marker in their environment, wherever they fled to: detached, re-parented, in a group of
 * their own. Linux only, from /proc; elsewhere it finds none. Kills nothing.
 */
import { promises } from 'node:fs';
import { INSTANCE_MARKER } from '../protocol/messages.ts';
import { readStat, type ProcessId } from './proc.ts';

const READERS = 16;

export interface MarkedProcess extends ProcessId {
  readonly marker: string;
}

/** The living processes whose marker `match` accepts; zombies and processes of other users are not among them. */
export async function processesMarked(match: (marker: string) => boolean): Promise<MarkedProcess[]> {
  if (process.platform !== 'linux') return [];
  const found: MarkedProcess[] = [];
  const pids = (await promises.readdir('/proc').catch(() => [])).filter((name) => /^[0-9]+$/.test(name));
  const read = async (): Promise<void> => {
    for (let pid = pids.pop(); pid !== undefined; pid = pids.pop()) {
      const marker = await markerOf(pid);
      if (marker === null || !match(marker)) continue;
      const startTime = startTimeOf(Number(pid));
      // Asked again: the first answer may be that of a process which had this pid before.
      if (startTime !== null && (await markerOf(pid)) === marker) found.push({ pid: Number(pid), startTime, marker });
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  return found;
}

/** Null where a process has ended, is a zombie, or is another user's. */
async function markerOf(pid: string): Promise<string | null> {
  return markerIn(await promises.readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''));
}

function startTimeOf(pid: number): string | null {
  try {
    return readStat(pid)?.startTime ?? null;
  } catch {
    return null;
  }
}

function markerIn(environment: string): string | null {
  const name = `${INSTANCE_MARKER}=`;
  const start = environment.startsWith(name) ? 0 : environment.indexOf(`\0${name}`) + 1;
  if (start === 0 && !environment.startsWith(name)) return null;
  const end = environment.indexOf('\0', start);
  return environment.slice(start + name.length, end === -1 ? undefined : end);
}
