/** Whether this user may make control groups here, in which children can be ended together. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { Cgroup } from '../../src/process/cgroup.ts';

async function canMakeCgroups(): Promise<boolean> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const cgroup = await Cgroup.around({ pid: child.pid!, holdsPid: true }, `${process.pid}-0-${randomUUID()}`);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  await cgroup?.end();
  return cgroup !== null;
}

export const hasCgroups = process.platform === 'linux' && (await canMakeCgroups());
