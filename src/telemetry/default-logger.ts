/** The command's logger: winston to stderr, for people on a terminal and as JSON lines elsewhere. Imported only when wanted. */
import type { Logger, LogLevel } from '../types.ts';

export interface DefaultLoggerOptions {
  level: LogLevel;
  /** JSON lines. Default: when stderr is no terminal. */
  json?: boolean;
}

export async function createDefaultLogger({ level, json = !process.stderr.isTTY }: DefaultLoggerOptions): Promise<Logger> {
  const { createLogger, format, transports } = (await import('winston')).default;
  const text = format.printf((info) => {
    const { timestamp, level: severity, message, plugin, version, pid } = info as Partial<Record<string, string | number>>;
    const origin = plugin === undefined ? '' : ` ${plugin}${version === undefined ? '' : `@${version}`}${pid ? `[${pid}]` : ''}`;
    return `${timestamp} ${severity}${origin}: ${message}`;
  });
  const people = format.combine(...(process.env.NO_COLOR ? [] : [format.colorize()]), format.timestamp({ format: 'HH:mm:ss.SSS' }), text);
  const logger = createLogger({
    level,
    format: json ? format.combine(format.timestamp(), format.json()) : people,
    transports: [new transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] })],
  });
  return {
    error: (message, fields) => void logger.error(message, fields),
    warn: (message, fields) => void logger.warn(message, fields),
    info: (message, fields) => void logger.info(message, fields),
    debug: (message, fields) => void logger.debug(message, fields),
  };
}
