/** What the operating system says of a process. Linux, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import { until } from './until.ts';

/** False for one that is gone, and for a zombie that is not ours to reap. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== null && (stat.state !== 'Z' || stat.parent === process.pid);
}

/** Resolves with the milliseconds that it took since `since` until none of them is alive. */
export async function allGone(pids: readonly number[], since: number, timeoutMs: number): Promise<number> {
  await until(`${pids.join(', ')} are gone`, () => !pids.some(isAlive), timeoutMs);
  return performance.now() - since;
}

/** Children of this process that have ended and that nobody has reaped. */
export function zombies(): number[] {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return pids.map(Number).filter((pid) => {
    const stat = statOf(pid);
    return stat !== null && stat.state === 'Z' && stat.parent === process.pid;
  });
}

function statOf(pid: number): { state: string; parent: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: state!, parent: Number(parent) };
  } catch {
    return null;
  }
}
