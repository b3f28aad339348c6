/** Whether a process is on its way out, as the kernel sees it. Linux only. */
import { readFile } from 'node:fs/promises';

/** Of the flags in its status. */
const PF_EXITING = 4;

/** True when the kernel is at taking it apart: a large process closes its pipes long before it is gone. False also where it cannot be told. */
export async function isDying(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // Its name stands in brackets, and may hold anything.
    const [state, , , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' || (Number(flags) & PF_EXITING) !== 0;
  } catch {
    return false;
  }
}
