/**
 * Finds the processes that carry an instance's marker in their environment, wherever they fled to: detached, re-parented, in a group of
 * their own. Linux only, from /proc; elsewhere it finds none. Kills nothing.
 */
import { INSTANCE_MARKER } from './messages.ts';

const READERS = 16;

export interface MarkedProcess {
  pid: number;
  marker: string;
}

/** The living processes whose marker `match` accepts; zombies and processes of other users are not among them. */
export async function processesMarked(match: (marker: string) => boolean): Promise<MarkedProcess[]> {
  const found: MarkedProcess[] = [];
  await readProcesses('environ', (pid, environment) => {
    const marker = markerIn(environment);
    if (marker !== null && match(marker)) found.push({ pid, marker });
  });
  return found;
}

/** Hands over this file of every process; an empty text where a process has ended, or is another user's. Of a zombie `environ` is empty. */
export async function readProcesses(file: 'environ' | 'stat', see: (pid: number, text: string) => void): Promise<void> {
  if (process.platform !== 'linux') return;
  const { readdir, readFile } = await import('node:fs/promises');
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^[0-9]+$/.test(name));
  const read = async (): Promise<void> => {
    for (let pid = pids.pop(); pid !== undefined; pid = pids.pop()) {
      see(Number(pid), await readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => ''));
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
}

function markerIn(environment: string): string | null {
  const name = `${INSTANCE_MARKER}=`;
  const start = environment.startsWith(name) ? 0 : environment.indexOf(`\0${name}`) + 1;
  if (start === 0 && !environment.startsWith(name)) return null;
  const end = environment.indexOf('\0', start);
  return environment.slice(start + name.length, end === -1 ? undefined : end);
}
