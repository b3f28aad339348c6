/** Where a figure was measured: without it a figure means nothing. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type } from 'node:os';

export interface Machine {
  node: string;
  cpu: string;
  cores: number;
  memoryGib: number;
  os: string;
  /** Programs that were running before the first round, as a mean over a minute. */
  load: number;
}

/** From this load for each core on, other programs take part in what is measured. */
const BUSY = 0.25;

/** With the Node at `nodePath`, which need not be the one that runs this. */
export function thisMachine(nodePath: string): Machine {
  const all = cpus();
  return {
    node: execFileSync(nodePath, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim(),
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release()}`,
    load: Math.round(loadavg()[0]! * 100) / 100,
  };
}

export const isBusy = ({ load, cores }: Machine): boolean => load > BUSY * cores;

export function describe(machine: Machine): string {
  const { node, cpu, cores, memoryGib, os, load } = machine;
  const note = isBusy(machine) ? ' (other programs were running: take the ratios, not the amounts)' : '';
  return `Node ${node}; ${cpu}, ${cores} cores, ${memoryGib} GiB; ${os}; load before the first round ${load}${note}`;
}
