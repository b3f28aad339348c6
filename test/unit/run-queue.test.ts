/** The kernel's figures of a process that has to share the processor. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import { RunQueueWait } from '../../src/process/run-queue.ts';
import { burn } from '../helpers/burners.ts';
import { testWith } from '../helpers/parts.ts';
import { until } from '../helpers/until.ts';

testWith('/proc/self/schedstat', existsSync('/proc/self/schedstat'))('a process waits for a processor while others use all of them', async () => {
  const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  const idle = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6); console.log("idle")'], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(idle.stdout, 'data');
  const end = burn(4 * availableParallelism());
  try {
    const waits = [busy, idle].map(({ pid }) => new RunQueueWait(pid!, performance.now()));
    let [waited, idled] = [0, 0];
    await until('the busy one has waited', () => {
      const now = performance.now();
      waited += waits[0]!.takeMs(now);
      idled += waits[1]!.takeMs(now);
      return waited > 500;
    });
    expect(idled).toBeLessThan(waited);
  } finally {
    end();
    busy.kill('SIGKILL');
    idle.kill('SIGKILL');
  }
});

testWith('/proc/self/schedstat', existsSync('/proc/self/schedstat'))(
  'a wait that goes on is counted once, also when the kernel tells of it late',
  () => {
    const own = new RunQueueWait(process.pid, performance.now());
    const began = performance.now();
    let waited = 0;
    for (let i = 0; i < 200; i++) waited += own.takeMs(performance.now());
    expect(waited).toBeLessThanOrEqual(2 * (performance.now() - began) + 50);
  },
);
