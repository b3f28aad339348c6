/** One log record as a line. */
import type { ControlLogRecord } from '../control/protocol.ts';
import { jsonLine, paint, plainLine, type Style } from '../terminal.ts';

const LEVEL_STYLE: Record<string, Style> = { error: 'red', warn: 'yellow', info: 'green', debug: 'dim' };

export function renderRecord({ time, level, message, plugin, version, pid, ...rest }: ControlLogRecord): string {
  const subject =
    plugin === undefined ? 'supervisor' : `${plugin}${version === undefined ? '' : `@${version}`}${typeof pid === 'number' ? `[${pid}]` : ''}`;
  const fields = Object.keys(rest).length === 0 ? '' : ` ${paint('dim', jsonLine(rest))}`;
  return `${paint('dim', plainLine(time))} ${paint(LEVEL_STYLE[level] ?? 'reset', plainLine(level).padEnd(5))} ${paint('cyan', plainLine(subject))} ${plainLine(message)}${fields}`;
}
