/** Resident memory of another process, read from outside so that a blocked child cannot hide it. Linux; elsewhere null. */
import { readFile } from 'node:fs/promises';

const PAGE_BYTES = 4096;

export async function residentBytes(pid: number): Promise<number | null> {
  try {
    const pages = Number((await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ')[1]);
    return Number.isFinite(pages) ? pages * PAGE_BYTES : null;
  } catch {
    return null;
  }
}
