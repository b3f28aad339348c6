/**
 * What the runner needs of the process, taken before any plugin code is loaded, so that a plugin which replaces `process.exit`,
 * `process.on`, timers or streams cannot break it. Imported first by main. Everything else in this folder goes through here.
 */
import { writeSync } from 'node:fs';

const { hrtime, reallyExit, getBuiltinModule } = process as typeof process & { reallyExit(code: number): never };
const hasInspector = process.execArgv.some((arg) => arg.startsWith('--inspect'));

export const native = {
  on: process.on.bind(process),
  chdir: process.chdir.bind(process),
  kill: process.kill.bind(process),
  rss: process.memoryUsage.rss,
  cpuUsage: process.cpuUsage.bind(process),
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setImmediate: globalThis.setImmediate,
  setInterval: globalThis.setInterval,
  dateNow: Date.now,
  /** Runs the plugin's `exit` listeners. */
  exit: process.exit.bind(process),
  /** Runs nothing more. */
  reallyExit: reallyExit.bind(process),
};

/** Milliseconds on a clock that only goes forward. `performance.now` would cost a millisecond of every start. */
export function monotonicMs(): number {
  const [seconds, nanos] = hrtime();
  return seconds * 1e3 + nanos / 1e6;
}

/** Without it a process that has a debugger attached ends only when that disconnects. */
export function closeInspector(): void {
  if (!hasInspector) return;
  (getBuiltinModule?.('node:inspector') as typeof import('node:inspector') | undefined)?.close();
}

/** A line on the real stderr, written before this returns, so that a process which ends now has said it. */
export function writeStderr(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Nobody reads it, or the pipe is full: there is no other place to say so.
  }
}

export function after(ms: number): Promise<void> {
  return new Promise((resolve) => native.setTimeout(resolve, ms));
}
