/** One child process, which takes one call at a time. */
import { fileURLToPath } from 'node:url';
import workerpool from 'workerpool';

export async function open() {
  const worker = fileURLToPath(new URL('../workers/workerpool.mjs', import.meta.url));
  const pool = workerpool.pool(worker, { workerType: 'process', minWorkers: 1, maxWorkers: 1 });
  return { call: (text) => pool.exec('echo', [text]), close: () => pool.terminate() };
}
