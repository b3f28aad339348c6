/** From a `.cpuprofile` to the functions that the time went to, by their own time. Knows the format, not what was profiled. */
import { basename, dirname } from 'node:path';

interface Node {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
}

export interface Profile {
  nodes: Node[];
  samples: number[];
  /** Microseconds before each sample. */
  timeDeltas: number[];
}

export interface SelfTime {
  name: string;
  /** Of the time that was not idle. */
  share: number;
}

const IDLE = '(idle)';

export function selfTimes(profile: Profile): { busyMs: number; idleMs: number; functions: SelfTime[] } {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]));
  const times = new Map<string, number>();
  profile.samples.forEach((id, index) => {
    const name = names.get(id)!;
    times.set(name, (times.get(name) ?? 0) + profile.timeDeltas[index]!);
  });
  const idle = times.get(IDLE) ?? 0;
  times.delete(IDLE);
  const busy = [...times.values()].reduce((sum, us) => sum + us, 0);
  const functions = [...times].toSorted(([, a], [, b]) => b - a).map(([name, us]) => ({ name, share: us / busy }));
  return { busyMs: busy / 1000, idleMs: idle / 1000, functions };
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: Node): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  return url === '' ? name : `${name}  ${placeOf(url)}:${lineNumber + 1}`;
}

const placeOf = (url: string): string => (url.startsWith('node:') ? url : `${basename(dirname(url))}/${basename(url)}`);
