/** Processor time of another process's main thread, from /proc (Linux; elsewhere null). */
import { readFileSync } from 'node:fs';

export interface ProcessorTime {
  /** It ran for so long. */
  ranMs: number;
  /** It could have run for so long, had a processor been free. */
  waitedMs: number;
  /** It runs, or waits for a processor. */
  isRunnable: boolean;
}

const NS_PER_MS = 1e6;

export function processorTime(pid: number): ProcessorTime | null {
  try {
    const [ran, waited] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ').map(Number);
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    if (ran === undefined || waited === undefined) return null;
    return { ranMs: ran / NS_PER_MS, waitedMs: waited / NS_PER_MS, isRunnable: stat.startsWith('R', stat.lastIndexOf(')') + 2) };
  } catch {
    return null;
  }
}
