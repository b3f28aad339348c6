/** `status` as a table: one line for each version that has a process or had one, with what it is to its plugin; `*` is active. */
import type { DeploymentState, PluginStatus, SupervisorStatus, VersionStatus } from '../../index.ts';
import { paint, plain, type Style } from '../terminal.ts';
import { cell, table, type Column } from './table.ts';
import { bytes, duration } from './units.ts';

const COLUMNS: Column[] = [
  { title: 'PLUGIN' },
  { title: 'VERSION' },
  { title: 'STATE' },
  { title: 'PID', align: 'right' },
  { title: 'UPTIME', align: 'right' },
  { title: 'IN FLIGHT', align: 'right' },
  { title: 'QUEUED', align: 'right' },
  { title: 'BREAKER' },
  { title: 'RESTARTS', align: 'right' },
  { title: 'MEMORY', align: 'right' },
];

const STATE_STYLE: Record<DeploymentState, Style> = {
  starting: 'yellow',
  running: 'green',
  restarting: 'yellow',
  idle: 'dim',
  draining: 'cyan',
  stopped: 'dim',
  failed: 'red',
};

export function renderSupervisor(status: SupervisorStatus): string {
  const spares = status.spares === 0 ? '' : `, ${status.spares} ${status.spares === 1 ? 'spare' : 'spares'} waiting`;
  const head = `supervisor ${status.state}, pid ${status.pid}, up ${duration(status.uptimeMs)}, ${bytes(status.rssBytes)}${spares}`;
  const refused = status.refused.map(
    ({ path, code, message }) => `${paint('red', 'refused')} ${plain(path)} ${code}\n  ${plain(message).replaceAll('\n', '\n  ')}`,
  );
  return [head, '', plugins(status.plugins), ...(refused.length === 0 ? [] : ['', ...refused])].join('\n');
}

export function renderPlugin(status: PluginStatus): string {
  const about = [`folder   ${cell(status.dir)}`, `methods  ${status.methods.map(plain).join(', ') || 'none'}`];
  return [plugins([status]), '', ...about].join('\n');
}

function plugins(all: readonly PluginStatus[]): string {
  if (all.length === 0) return 'no plugins';
  const sorted = all.toSorted((a, b) => a.name.localeCompare(b.name));
  const troubles = sorted.flatMap(({ name, versions }) => versions.flatMap((version) => trouble(name, version)));
  return [table(COLUMNS, sorted.flatMap(rows)), ...(troubles.length === 0 ? [] : ['', ...troubles])].join('\n');
}

function rows({ name, state, versions }: PluginStatus): string[][] {
  if (versions.length === 0) return [[cell(name), '-', state, ...Array.from({ length: COLUMNS.length - 3 }, () => '-')]];
  return versions.map((version) => row(name, version));
}

function row(name: string, version: VersionStatus): string[] {
  const { breaker } = version;
  return [
    cell(name),
    `${cell(version.version)} ${version.active ? paint('green', '*') : version.role}`,
    paint(STATE_STYLE[version.state], version.state),
    cell(version.pid),
    version.pid === null ? '-' : duration(version.uptimeMs),
    String(version.inFlight),
    String(version.queued),
    breaker.state === 'closed'
      ? 'closed'
      : paint('red', breaker.retryAfterMs > 0 ? `${breaker.state} ${duration(breaker.retryAfterMs)}` : breaker.state),
    String(version.restarts),
    bytes(version.rssBytes),
  ];
}

function trouble(name: string, { version, state, lastError }: VersionStatus): string[] {
  if (lastError === null || (state !== 'failed' && state !== 'restarting')) return [];
  return [`${paint('red', `${plain(name)}@${plain(version)}`)} ${lastError.code}: ${plain(lastError.message)}`];
}
