/** Whether the kernel ends processes for want of memory: how often it did so, in our cgroup or, where there is none, on the machine. */
import { readFile } from 'node:fs/promises';

const COUNTERS = ['/sys/fs/cgroup/memory.events', '/proc/vmstat'];

/** Null where it cannot be told. */
export async function kernelOomKills(): Promise<number | null> {
  for (const file of COUNTERS) {
    try {
      const count = /^oom_kill (\d+)$/m.exec(await readFile(file, 'latin1'))?.[1];
      if (count !== undefined) return Number(count);
    } catch {
      // Not on this system.
    }
  }
  return null;
}
