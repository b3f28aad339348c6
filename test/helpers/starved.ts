/** How long the main thread of a process waits for a processor, so that a test can tell a slow program from a busy machine. */
import { onTestFinished } from 'vitest';
import { processorTime } from '../../src/process/processor.ts';

const SAMPLE_MS = 20;

/** Watches from now on. Call what it returns for the milliseconds so far; they stay known when the process is gone. */
export function starved(pid: number): () => number {
  const first = processorTime(pid)?.waitedMs ?? 0;
  let last = first;
  const sample = (): void => void (last = processorTime(pid)?.waitedMs ?? last);
  const timer = setInterval(sample, SAMPLE_MS);
  onTestFinished(() => clearInterval(timer));
  return () => {
    sample();
    return last - first;
  };
}
