/** A process that the kernel holds: SIGKILL ends it only once it is let go. The freezer of cgroup v1 does that to order. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { expect, onTestFinished, test as every } from 'vitest';
import { isAlive } from '../helpers/processes.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { rejection } from '../helpers/rejection.ts';
import type { PluginCrashedError } from '../../src/index.ts';

const supervise = useSupervisors();
const FREEZER = '/sys/fs/cgroup/freezer';

function canFreeze(): boolean {
  try {
    mkdirSync(`${FREEZER}/chameleon-probe`);
    rmdirSync(`${FREEZER}/chameleon-probe`);
    return existsSync(`${FREEZER}/tasks`);
  } catch {
    return false;
  }
}

/** A right that CI may not give, and no part that could be installed. */
const test = canFreeze() ? every : every.skip;

/** Holds a process until the test is over, or the function is called. */
function hold(pid: number): () => Promise<void> {
  const dir = `${FREEZER}/chameleon-${process.pid}-${pid}`;
  mkdirSync(dir);
  writeFileSync(`${dir}/cgroup.procs`, String(pid));
  writeFileSync(`${dir}/freezer.state`, 'FROZEN');
  const letGo = async (): Promise<void> => {
    if (!existsSync(dir)) return;
    writeFileSync(`${dir}/freezer.state`, 'THAWED');
    await until('it has ended', () => readFileSync(`${dir}/cgroup.procs`, 'latin1') === '');
    rmdirSync(dir);
  };
  onTestFinished(letGo);
  return letGo;
}

test('a child that SIGKILL does not end is told and left: its calls fail, and its successor starts', async () => {
  const { supervisor, events } = await supervise.fixture('bystander', { liveness: { intervalMs: 100, timeoutMs: 300 } });
  const pid = supervisor.status('bystander').pid!;
  const letGo = hold(pid);
  const call = rejection<PluginCrashedError>(supervisor.call('bystander', 'echo', [1]));
  await once(supervisor, 'instance-ready');
  expect((await call).exit).toMatchObject({ pid, cause: 'unkillable', detail: expect.stringContaining(`process ${pid} did not end`) as string });
  expect(supervisor.status('bystander').pid).not.toBe(pid);
  expect(await supervisor.call('bystander', 'echo', [2])).toBe(2);
  expect(events.filter(({ kind }) => kind === 'instance-crashed')).toHaveLength(1);
  expect(isAlive(pid)).toBe(true);
  await letGo();
});

test('close does not wait for a child that SIGKILL does not end', async () => {
  const { supervisor, events } = await supervise.fixture('bystander', { stopTimeoutMs: 300 });
  const letGo = hold(supervisor.status('bystander').pid!);
  const since = performance.now();
  await supervisor.close({ drainTimeoutMs: 100 });
  expect(performance.now() - since).toBeLessThan(15_000);
  expect(events.findLast(({ kind }) => kind === 'instance-stopped')).toMatchObject({ exit: { cause: 'unkillable' } });
  await letGo();
});
