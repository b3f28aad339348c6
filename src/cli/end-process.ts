/** The end of this process, also when one of Node's threads hangs in a system call. */
import { constants } from 'node:os';
import { setTimeout } from '../util/timers.ts';

/** File operations that are about to end get this long. */
const PATIENCE_MS = 250;
const LOOK_MS = 10;

/**
 * Exits with this code. `process.exit` waits for Node's threads, and one that reads from a dead disk never returns: then the process
 * dies of `signal`.
 */
export async function endProcess(signal: NodeJS.Signals, exitCode: number = 128 + constants.signals[signal]): Promise<void> {
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
    if (!hasFileOperations()) process.exit(exitCode);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

const hasFileOperations = (): boolean => process.getActiveResourcesInfo().some((kind) => kind.startsWith('FSReq'));
