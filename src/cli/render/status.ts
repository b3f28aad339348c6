/** `status` as a table: one line for each version that has a process or had one, with what it is to its plugin; `*` is active. */
import type { DeploymentState, PluginStatus, SupervisorStatus, VersionStatus } from '../../index.ts';
import { indented, paint, plainLine, type Style } from '../terminal.ts';
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
  const refused = status.refused.map(({ path, code, message }) => `${paint('red', 'refused')} ${plainLine(path)} ${code}\n  ${indented(message)}`);
  return [head, '', plugins(status.plugins), ...(refused.length === 0 ? [] : ['', ...refused])].join('\n');
}

export function renderPlugin(status: PluginStatus): string {
  const about = [`folder   ${cell(status.dir)}`, `methods  ${status.methods.map(plainLine).join(', ') || 'none'}`];
  return [plugins([status]), '', ...about].join('\n');
}

function plugins(all: readonly PluginStatus[]): string {
  if (all.length === 0) return 'no plugins';
  const sorted = all.toSorted((a, b) => a.name.localeCompare(b.name));
  const notes = sorted.flatMap(({ name, versions }) => versions.flatMap((version) => [...debugged(name, version), ...trouble(name, version)]));
  return [table(COLUMNS, sorted.flatMap(rows)), ...(notes.length === 0 ? [] : ['', ...notes])].join('\n');
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

/** An operator who sees a plugin that waits for ever sees why. */
function debugged(name: string, { version, debug, instances }: VersionStatus): string[] {
  if (!debug) return [];
  const addresses = instances.map(({ pid, inspector }) => `, pid ${cell(pid)} at ${cell(inspector)}`);
  return [`${paint('yellow', `${plainLine(name)}@${plainLine(version)}`)} debug: no time limits${addresses.join('')}`];
}

/** An older supervisor does not tell the last two. */
type Trouble = Pick<VersionStatus, 'version' | 'state' | 'lastError'> & Partial<Pick<VersionStatus, 'retryAfterMs' | 'ignoredCancels'>>;

function trouble(name: string, { version, state, lastError, retryAfterMs = null, ignoredCancels = [] }: Trouble): string[] {
  const subject = paint('red', `${plainLine(name)}@${plainLine(version)}`);
  const again = retryAfterMs === null ? '' : `\n  its next start is in ${duration(retryAfterMs)}`;
  const failure = lastError === null || state === 'running' ? [] : [`${subject} ${lastError.code}: ${indented(lastError.message)}${again}`];
  const stubborn = ignoredCancels
    .filter(({ slots }) => slots > 0)
    .map(
      ({ method, slots, times }) => `${subject} ${plainLine(method)} ignores cancellation: it holds ${slots} slots, after ${times} such calls so far`,
    );
  return [...failure, ...stubborn];
}
