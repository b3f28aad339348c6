/** One child. It takes 10 calls at a time by default: it may have all that are in flight. */
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import workerFarm from 'worker-farm';

export async function open() {
  const worker = fileURLToPath(new URL('../workers/worker-farm.cjs', import.meta.url));
  const farm = workerFarm({ maxConcurrentWorkers: 1, maxConcurrentCallsPerWorker: 100 }, worker);
  return { call: promisify(farm), close: () => promisify(workerFarm.end)(farm) };
}
