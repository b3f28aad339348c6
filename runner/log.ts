/**
 * Log records to the supervisor: bounded in size and in number, never at the cost of calls. What `this.log`, `init`'s `log` and the
 * console write ends here.
 */
import { Control } from '../src/protocol/messages.ts';
import type { LogParams } from '../src/protocol/messages.ts';
import { framedText } from '../src/protocol/frame.ts';
import { NotJson, toJson } from '../src/protocol/json.ts';
import type { PluginLog } from './api.ts';
import type { Channel } from './channel.ts';
import { truncate } from './thrown.ts';

export type Level = LogParams['level'];

const MAX_MESSAGE_BYTES = 64 * 1024;
const MAX_FIELDS_CHARS = 64 * 1024;
/** When this much waits to be read, records are counted instead of kept. */
const MAX_UNSENT = 8 * 1024 * 1024;

export class Log implements PluginLog {
  readonly #channel: Channel;
  #lost = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  debug(message: unknown, fields?: object): void {
    this.record('debug', textOf(message), fields);
  }

  info(message: unknown, fields?: object): void {
    this.record('info', textOf(message), fields);
  }

  warn(message: unknown, fields?: object): void {
    this.record('warn', textOf(message), fields);
  }

  error(message: unknown, fields?: object): void {
    this.record('error', textOf(message), fields);
  }

  record(level: Level, message: string, fields?: object): void {
    if (this.#channel.unsent > MAX_UNSENT) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) {
      const lost = this.#lost;
      this.#lost = 0;
      this.record('warn', `${lost} log records were lost: they came faster than they were read`);
    }
    const text = JSON.stringify(truncate(message, MAX_MESSAGE_BYTES));
    const more = fields === undefined ? '' : `,"fields":${fieldsJson(fields)}`;
    this.#channel.send(framedText(`{"jsonrpc":"2.0","method":"${Control.log}","params":{"level":"${level}","message":${text}${more}}}`));
    // What precedes a crash is written at once, as it would be on a plain stderr.
    if (level === 'error' || level === 'warn') this.#channel.flush();
  }
}

/** Formats as console does. `node:util` is loaded only when there is something to format. */
export function format(args: unknown[]): string {
  if (args.length === 1 && typeof args[0] === 'string') return args[0];
  try {
    return (require('node:util') as typeof import('node:util')).format(...args);
  } catch (error) {
    return `(cannot be formatted: ${truncate(String(error), 256)})`;
  }
}

function textOf(message: unknown): string {
  return typeof message === 'string' ? message : format([message]);
}

function fieldsJson(fields: object): string {
  try {
    const json = toJson(fields instanceof Error ? { error: plain(fields) } : withPlainErrors(fields), 'fields');
    if (!json.startsWith('{')) return `{"value":${json}}`;
    return json.length <= MAX_FIELDS_CHARS ? json : `{"dropped":"${json.length} characters of JSON, the limit is ${MAX_FIELDS_CHARS}"}`;
  } catch (error) {
    return JSON.stringify({ dropped: error instanceof NotJson ? error.message : 'fields that cannot be read' });
  }
}

/** JSON makes `{}` of an error; here it keeps what it says. */
function withPlainErrors(fields: object): object {
  if (!Object.values(fields).some((value) => value instanceof Error)) return fields;
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? plain(value) : (value as unknown)]));
}

function plain(error: Error): object {
  return { ...(error as object), name: error.name, message: error.message, stack: error.stack };
}
