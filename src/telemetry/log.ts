/**
 * Events → log records. A plugin's record keeps its message; its name, version and pid are added.
 *
 * 1. No field of a plugin replaces one of ours: a plugin's fields stand under `fields`.
 */
import { describeExit } from '../errors.ts';
import type { SupervisorEvent } from '../events.ts';
import type { Logger, LogLevel } from '../types.ts';
import { writerFor } from './logger-kind.ts';

const SEVERITY: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3 };

interface Line {
  level: LogLevel;
  message: string;
  fields: object;
}

/** A subscriber that writes to `logger` what is at least as severe as `level`. A logger that throws is left alone with it. */
export function logTo(logger: Logger, level: LogLevel): (event: SupervisorEvent) => void {
  const write = writerFor(logger);
  return (event) => {
    const line = lineOf(event);
    if (line === null || SEVERITY[line.level] > SEVERITY[level]) return;
    write(line.level, line.message, line.fields);
  };
}

function lineOf(event: SupervisorEvent): Line | null {
  if (event.kind === 'log') {
    const { level, message, fields, ...origin } = event.record;
    return { level, message, fields: fields === undefined ? origin : { fields, ...origin } }; // Keeps 1.
  }
  const { kind, ...facts } = event;
  // A fact named `message` is the record's message already, and would replace it in some loggers.
  const { message: _, ...fields } = facts as typeof facts & { message?: string };
  const line = (level: LogLevel, message: string): Line => ({ level, message: oneLine(message), fields: { event: kind, ...fields } });
  switch (event.kind) {
    case 'instance-starting':
      return line('debug', 'starting');
    case 'instance-ready':
      return line('info', `ready in ${event.startMs} ms`);
    case 'debugger-listening':
      return line('info', `debugger listening on ${event.url}`);
    case 'instance-stopped':
      return line(event.exit.cause === 'unkillable' ? 'error' : 'info', `stopped (${describeExit(event.exit)})`);
    case 'instance-crashed':
      return line('error', `crashed (${describeExit(event.exit)})`);
    case 'instance-start-failed':
    case 'plugin-refused':
    case 'free-failed':
    case 'reload-failed':
      return line('error', event.error.message);
    case 'plugin-failed':
      return line('error', `given up${event.retryAfterMs ? `, and tried again in ${event.retryAfterMs} ms` : ''}: ${event.error.message}`);
    case 'instance-replacing':
      return line('warn', `replacing its child: ${event.reason}`);
    case 'restart-scheduled':
      return line('warn', `restarting in ${event.delayMs} ms (restart ${event.restarts})`);
    case 'plugin-activated':
      return line('info', event.from === null ? 'active' : `active in place of ${event.from}`);
    case 'rolled-back':
      return line('error', `taken back, ${event.from} is active again (${event.result.reason}): ${event.result.detail ?? ''}`);
    case 'rollout-phase':
      return line('debug', `rollout: ${event.phase}`);
    case 'started-on-demand':
      return line('info', 'started, since a call asked for it');
    case 'idle-stopped':
      return line('info', 'stopped, since nobody called it');
    case 'woken':
      return line('info', `ready again, ${Math.round(event.wakingMs)} ms after it was called`);
    case 'plugin-unloaded':
      return line('info', 'unloaded');
    case 'drain-timeout':
      return line('warn', `drain timeout: ${event.calls.length} calls are cut off`);
    case 'breaker-changed':
      return line(event.to === 'open' ? 'warn' : 'info', `circuit ${event.from} → ${event.to}`);
    case 'stray-answer':
      return line('debug', `stray message: ${event.reason}`);
    case 'call-poisoned':
      return line('error', `${event.method} with the arguments ${event.digest} was in flight at ${event.deaths} deaths: it is refused for a while`);
    case 'watch-failed':
      return line('error', `the plugin folder is not followed as it should be: ${event.message}`);
    case 'folder-exposed':
    case 'state-lost':
      return line('warn', event.message);
    case 'orphans-swept':
      return line('warn', `ended ${event.pids.length} processes that a killed supervisor had left`);
  }
}

/** Errors give advice and output on lines of their own; a record is one line. */
function oneLine(message: string): string {
  if (!message.includes('\n')) return message;
  const lines = message.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').join('; ');
}
