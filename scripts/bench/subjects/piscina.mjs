/** One worker thread, not a process. It takes one call at a time by default: it may have all that are in flight. */
import { Piscina } from 'piscina';

export async function open() {
  const filename = new URL('../workers/function.mjs', import.meta.url).href;
  const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1, concurrentTasksPerWorker: 100 });
  return { call: (text) => pool.run(text), close: () => pool.destroy() };
}
