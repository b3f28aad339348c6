/** `metrics` as a table: one line for each method that was called. Times in milliseconds. */
import type { MethodMetrics, MetricsSnapshot } from '../../index.ts';
import { paint } from '../terminal.ts';
import { cell, table, type Column } from './table.ts';
import { duration, millis } from './units.ts';

const COLUMNS: Column[] = [
  { title: 'PLUGIN' },
  { title: 'VERSION' },
  { title: 'METHOD' },
  { title: 'CALLS', align: 'right' },
  { title: 'FAILED', align: 'right' },
  { title: 'RETRIES', align: 'right' },
  { title: 'WAIT P50', align: 'right' },
  { title: 'WAIT P99', align: 'right' },
  { title: 'RUN P50', align: 'right' },
  { title: 'RUN P90', align: 'right' },
  { title: 'RUN P99', align: 'right' },
  { title: 'RUN MAX', align: 'right' },
];

export function renderMetrics(snapshot: MetricsSnapshot): string {
  const rows: string[][] = [];
  const failures: string[] = [];
  for (const [plugin, versions] of Object.entries(snapshot.plugins)) {
    for (const [version, { methods }] of Object.entries(versions)) {
      for (const [method, metrics] of Object.entries(methods)) {
        rows.push([cell(plugin), cell(version), cell(method), ...numbers(metrics)]);
        const codes = Object.entries(metrics.failuresByCode).map(([code, count]) => `${count} × ${cell(code)}`);
        if (codes.length > 0) failures.push(`${cell(plugin)}@${cell(version)} ${cell(method)}: ${codes.join(', ')}`);
      }
    }
  }
  const since = `in the last ${duration(snapshot.sinceMs)}, times in ms`;
  if (rows.length === 0) return `no calls ${since}`;
  return [since, '', table(COLUMNS, rows), ...(failures.length === 0 ? [] : ['', ...failures])].join('\n');
}

function numbers({ calls, failed, retries, waitingMs, runningMs }: MethodMetrics): string[] {
  return [
    String(calls),
    failed === 0 ? '0' : paint('red', String(failed)),
    String(retries),
    ...[waitingMs.p50, waitingMs.p99, runningMs.p50, runningMs.p90, runningMs.p99, runningMs.max].map(millis),
  ];
}
