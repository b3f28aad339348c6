import { clearTimeout, setImmediate, setTimeout } from './timers.ts';

/**
 * Whether `promise` resolved within `ms`. Leaves no timer behind; a rejection is the caller's. After the timer the event loop reads its
 * pipes once more: where it was blocked, the answer may wait in one.
 */
export async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => setImmediate(resolve, false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
