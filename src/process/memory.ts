/** Resident memory: of this process, and of another one, read from outside so that a blocked child cannot hide it (Linux; elsewhere null). */
import { readFile } from 'node:fs/promises';

const PAGE_BYTES = 4096;
let lastKnown = 0;

/** What it was when it could last be read, where it cannot be: with no descriptor left, on Linux. */
export function ownResidentBytes(): number {
  try {
    lastKnown = process.memoryUsage.rss();
  } catch {
    // To say how things stand must not fail just when they stand badly.
  }
  return lastKnown;
}

export async function residentBytes(pid: number): Promise<number | null> {
  try {
    const pages = Number((await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ')[1]);
    // One that is ending has let go of its memory: that says nothing of what it had.
    return pages > 0 ? pages * PAGE_BYTES : null;
  } catch {
    return null;
  }
}
