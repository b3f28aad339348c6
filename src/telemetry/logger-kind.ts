/** The loggers that do not take (message, fields) as ours does: each recognised by its methods, each with its way of writing a record. */
import type { Logger, LogLevel } from '../types.ts';
import { printableLine } from '../util/printable.ts';

/** Writes one record. A message is text, never a format. */
export type WriteRecord = (level: LogLevel, message: string, fields: object) => void;

type Members = Partial<Record<string, unknown>>;

const isFunction = (value: unknown): boolean => typeof value === 'function';

/** pino (Fastify's too) and bunyan: fields first. */
const takesFieldsFirst = (logger: Members): boolean =>
  (isFunction(logger.bindings) && typeof logger.levels === 'object') || (isFunction(logger.addStream) && Array.isArray(logger.streams));

/** winston loses the fields beside a message with a `%`, but not those in one object. */
const takesOneObject = (logger: Members): boolean =>
  isFunction(logger.log) && isFunction(logger.isLevelEnabled) && isFunction(logger.configure) && Array.isArray(logger.transports);

/** The console, and what writes to it or formats as it does: loglevel, log4js, consola. */
const takesFormat = (logger: Members): boolean =>
  (isFunction(logger.dir) && isFunction(logger.table) && isFunction(logger.group)) ||
  isFunction(logger.methodFactory) ||
  (isFunction(logger.addContext) && 'category' in logger) ||
  (isFunction(logger.addReporter) && isFunction(logger.wrapConsole));

/** How `logger` is given a record. Any other logger gets the message, then the fields. */
export function writerFor(logger: Logger): WriteRecord {
  const members = logger as unknown as Members;
  if (takesFieldsFirst(members)) {
    const fieldsFirst = logger as unknown as Record<LogLevel, (fields: object, message: string) => void>;
    return (level, message, fields) => fieldsFirst[level](fields, message);
  }
  if (takesOneObject(members)) {
    const winston = logger as unknown as { log(record: object): void };
    return (level, message, fields) => winston.log({ ...fields, level, message });
  }
  if (takesFormat(members)) {
    const formatting = logger as unknown as Record<LogLevel, (...values: unknown[]) => void>;
    return (level, message, fields) => {
      const line = printableLine(message);
      if (line.includes('%')) formatting[level]('%s', line, fields);
      else formatting[level](line, fields);
    };
  }
  return (level, message, fields) => logger[level](message, fields);
}
