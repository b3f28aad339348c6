/** One child process. It takes one call at a time by default: it may have all that are in flight. */
import { Tinypool } from 'tinypool';

export async function open() {
  const filename = new URL('../workers/function.mjs', import.meta.url).href;
  const pool = new Tinypool({ filename, runtime: 'child_process', minThreads: 1, maxThreads: 1, concurrentTasksPerWorker: 100 });
  return { call: (text) => pool.run(text), close: () => pool.destroy() };
}
