/**
 * The command's logger: winston to stderr, for people on a terminal and as JSON lines elsewhere. Imported only when wanted.
 *
 * 1. Writing never blocks, and never fails.
 * 2. At most `MAX_UNREAD_BYTES` wait for a reader; records beyond are dropped, counted, and told of.
 * 3. A record is one line, and nothing in it is obeyed by a terminal.
 */
import type { Writable } from 'node:stream';
import type { Logger, LogLevel } from '../types.ts';
import { printableJson, printableLine } from '../util/printable.ts';
import { openTerminal } from '../util/terminal-stream.ts';

export interface DefaultLoggerOptions {
  level: LogLevel;
  /** JSON lines. Default: when stderr is no terminal. */
  json?: boolean;
}

/** Log text that nobody has read yet. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;
/** Where winston's formats put the finished text. */
const TEXT = Symbol.for('message');

export async function createDefaultLogger({ level, json = !process.stderr.isTTY }: DefaultLoggerOptions): Promise<Logger> {
  const { createLogger, format, transports } = (await import('winston')).default;
  const stream: Writable = openTerminal(2) ?? process.stderr;
  const text = format.printf((info) => {
    const { timestamp, level: severity, message, plugin, version, pid } = info as Partial<Record<string, string | number>>;
    const origin = plugin === undefined ? '' : ` ${plugin}${version === undefined ? '' : `@${version}`}${pid ? `[${pid}]` : ''}`;
    return `${timestamp} ${severity}${printableLine(`${origin}: ${message}`)}`;
  });
  const people = format.combine(...(process.env.NO_COLOR ? [] : [format.colorize()]), format.timestamp({ format: 'HH:mm:ss.SSS' }), text);
  const safe = format((info) => Object.assign(info, { [TEXT]: printableJson(String(info[TEXT])) }));
  const logger = createLogger({
    level,
    format: json ? format.combine(format.timestamp(), format.json(), safe()) : people,
    transports: [new transports.Stream({ stream })],
  });

  let dropped = 0;
  const tellDropped = (): void => {
    if (dropped === 0) return;
    logger.log({ level: 'warn', message: `${dropped} log records were dropped: ${MAX_UNREAD_BYTES} bytes of log were not read`, dropped });
    dropped = 0;
  };
  stream.on('drain', tellDropped);
  const at =
    (severity: LogLevel) =>
    (message: string, fields: object = {}): void => {
      if (!logger.isLevelEnabled(severity)) return;
      // Keeps 2.
      if (stream.writableLength > MAX_UNREAD_BYTES) {
        dropped++;
        return;
      }
      tellDropped();
      // In one object: beside a message winston takes `%d` in it for a format, and the fields for its values.
      logger.log({ ...fields, level: severity, message });
    };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}
