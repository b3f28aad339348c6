/** What a soak came to: as an object for `--json`, and as a table. */
import { cpus } from 'node:os';
import type { Ledger } from './ledger.ts';
import type { Verdict } from './verdict.ts';
import type { Rest, Watch } from './watch.ts';

export interface Report {
  seed: number;
  node: string;
  cpus: number;
  durationMs: number;
  calls: number;
  faults: number;
  reached: boolean;
  callsByOutcome: Record<string, number>;
  faultsByKind: Record<string, number>;
  deathsByCause: Record<string, number>;
  attempts: { begun: number; retries: number };
  heapBytes: { first: number; last: number };
  residentBytes: { first: number; last: number };
  descriptors: { first: number; last: number };
  handles: { first: number; last: number };
  rests: Rest[];
  ownStalls: { worstMs: number; totalMs: number; excusedCalls: number };
  violations: Record<string, number>;
  examples: { violation: string; id: number | null; text: string; history: string[] }[];
}

export function callsByOutcome({ records, outcomes }: Ledger): Record<string, number> {
  const counts = new Map<string, number>();
  for (let id = 0; id < records.count; id++) {
    const label = records.settlements[id] === 0 ? '(open)' : outcomes.list[records.outcome[id]!]!;
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return descending(counts);
}

export const descending = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].toSorted(([, a], [, b]) => b - a));

export function examplesOf(verdict: Verdict, ledger: Ledger): Report['examples'] {
  return verdict.examples.map((example) => ({ ...example, history: example.id === null ? [] : ledger.history(example.id) }));
}

export function heldBy(watch: Watch): Pick<Report, 'heapBytes' | 'residentBytes' | 'descriptors' | 'handles' | 'rests'> {
  return {
    heapBytes: watch.quarters('heapBytes'),
    residentBytes: watch.quarters('residentBytes'),
    descriptors: watch.quarters('descriptors'),
    handles: watch.quarters('handles'),
    rests: watch.rests,
  };
}

export const machine = { node: process.version, cpus: cpus().length };

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const number = (value: number): string => value.toLocaleString('en');

export function tableOf(report: Report): string {
  const rows: [string, string][] = [
    ['seed', String(report.seed)],
    ['duration', `${(report.durationMs / 1000).toFixed(1)} s on ${report.cpus} cores, Node ${report.node}`],
    ['calls', number(report.calls)],
    ...indented(report.callsByOutcome),
    ['attempts begun by plugins', `${number(report.attempts.begun)}, of which retries ${number(report.attempts.retries)}`],
    ['faults', number(report.faults)],
    ...indented(report.faultsByKind),
    ['deaths of children, by cause', number(Object.values(report.deathsByCause).reduce((sum, count) => sum + count, 0))],
    ...indented(report.deathsByCause),
    [`at rest ${report.rests.length} times, first and last quarter`, ''],
    ['  heap after garbage collection', `${mib(report.heapBytes.first)}, ${mib(report.heapBytes.last)}`],
    ['  resident, less the records of this soak', `${mib(report.residentBytes.first)}, ${mib(report.residentBytes.last)}`],
    ['  descriptors besides those of instances', `${report.descriptors.first}, ${report.descriptors.last}`],
    ['  handles besides those of instances', `${report.handles.first}, ${report.handles.last}`],
    [
      'own loop stood still',
      `${report.ownStalls.totalMs} ms in all, ${report.ownStalls.worstMs} ms at most; calls late for that alone: ${report.ownStalls.excusedCalls}`,
    ],
    ['violations', number(Object.values(report.violations).reduce((sum, count) => sum + count, 0))],
    ...indented(report.violations),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  for (const { violation, id, text, history } of report.examples) {
    lines.push('', `${violation}${id === null ? '' : `, call ${id}`}: ${text}`, ...history.map((line) => `  ${line}`));
  }
  return lines.join('\n');
}

const indented = (counts: Record<string, number>): [string, string][] => Object.entries(counts).map(([name, count]) => [`  ${name}`, number(count)]);
