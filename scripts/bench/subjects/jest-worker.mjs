/** One child process, which takes one call at a time. */
import { fileURLToPath } from 'node:url';
import { Worker } from 'jest-worker';

export async function open() {
  const worker = fileURLToPath(new URL('../workers/jest-worker.cjs', import.meta.url));
  const pool = new Worker(worker, { numWorkers: 1, exposedMethods: ['echo'], enableWorkerThreads: false });
  return { call: (text) => pool.echo(text), close: () => pool.end() };
}
