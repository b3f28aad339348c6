/** The children that wait for a plugin, as the operating system sees them. */
import type { Supervisor } from '../../src/index.ts';
import { ourChildren } from './supervise.ts';
import { until } from './until.ts';

/** The pids of the spares of the only supervisor of this process, once there are so many and no other child is on its way. */
export async function waitingSpares(supervisor: Supervisor, count: number): Promise<number[]> {
  let spares: number[] = [];
  await until(`${count} spares wait`, async () => {
    const busy = new Set(supervisor.status().plugins.flatMap(({ versions }) => versions.flatMap(({ instances }) => instances.map(({ pid }) => pid))));
    spares = (await ourChildren()).filter((pid) => !busy.has(pid));
    return spares.length === count && supervisor.status().spares === count;
  });
  return spares.toSorted((a, b) => a - b);
}
