/** Processes that do nothing but use the processor, for tests on a busy machine. */
import { spawn, type ChildProcess } from 'node:child_process';

/** Starts that many, and answers with what ends them. */
export function burn(count: number): () => void {
  const burners: ChildProcess[] = Array.from({ length: count }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  const end = (): void => {
    process.off('exit', end);
    for (const each of burners) each.kill('SIGKILL');
  };
  process.on('exit', end);
  return end;
}
