/** Waits for something to become so; false when it did not in time. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;

export async function until(isSo: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const started = performance.now();
  while (!(await isSo())) {
    if (performance.now() - started > timeoutMs) return false;
    await sleep(POLL_MS);
  }
  return true;
}
