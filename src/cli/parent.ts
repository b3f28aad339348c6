/**
 * Tells when the program has gone that started this one on a user's behalf: npm, npx and their like. Some versions of them end on a signal
 * and leave what they have started, so that a supervisor would go on with nobody who knows of it.
 */
import { readFileSync } from 'node:fs';
import { clearInterval, setInterval } from '../util/timers.ts';

const LOOK_MS = 500;
const SHELL = /^-?(?:sh|bash|dash|ash|zsh|ksh|busybox)$/;

/** Calls back once; never where no such program has started us. Returns how to stop looking. */
export function watchParent(onGone: () => void, env: NodeJS.ProcessEnv = process.env): () => void {
  const parent = statOf(process.ppid);
  // Who starts us in a session of our own (setsid) means us to stay.
  if (env['npm_lifecycle_event'] === undefined || (parent !== null && parent.session !== statOf(process.pid)?.session)) return () => {};
  const ppid = process.ppid;
  // The program itself stands above the shell that it has run its script with.
  const above = parent !== null && SHELL.test(parent.name) ? parent.ppid : null;
  const timer = setInterval(() => {
    if (process.ppid === ppid && (above === null || statOf(ppid)?.ppid === above)) return;
    clearInterval(timer);
    onGone();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Null where there is no /proc, or no such process. */
function statOf(pid: number): { name: string; ppid: number; session: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const end = stat.lastIndexOf(')');
    const [, ppid, , session] = stat.slice(end + 2).split(' ');
    return { name: stat.slice(stat.indexOf('(') + 1, end), ppid: Number(ppid), session: Number(session) };
  } catch {
    return null;
  }
}
