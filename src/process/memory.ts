/** Resident memory of another process, read from outside so that a blocked child cannot hide it. Linux; elsewhere null. */
import { readFile } from 'node:fs/promises';

const PAGE_BYTES = 4096;

export async function residentBytes(pid: number): Promise<number | null> {
  try {
    const pages = Number((await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ')[1]);
    // One that is ending has let go of its memory: that says nothing of what it had.
    return pages > 0 ? pages * PAGE_BYTES : null;
  } catch {
    return null;
  }
}
