/** The loggers that people have: each real one gets the message as text and every field. */
import { Console } from 'node:console';
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createLogger, format, transports } from 'winston';
import type { Logger, LogRecord } from '../../src/index.ts';
import { logTo } from '../../src/telemetry/log.ts';
import { peer } from '../helpers/parts.ts';

const require = createRequire(import.meta.url);

function captured(): { stream: PassThrough; text(): string } {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { stream, text: () => text };
}

type Make = (stream: PassThrough) => unknown;
const pino = (): ((options: object, stream: PassThrough) => { child(bindings: object): object }) => require(peer('pino')) as never;
const bunyan = (): { createLogger(options: object): { child(bindings: object): object } } => require(peer('bunyan')) as never;
const inJson: Record<string, Make> = {
  pino: (stream) => pino()({ level: 'debug' }, stream),
  'a child of pino': (stream) => pino()({ level: 'debug' }, stream).child({ app: 'x' }),
  bunyan: (stream) => bunyan().createLogger({ name: 'x', level: 'debug', stream }),
  'a child of bunyan': (stream) => bunyan().createLogger({ name: 'x', level: 'debug', stream }).child({ app: 'x' }),
  winston: (stream) => createLogger({ level: 'debug', format: format.json(), transports: [new transports.Stream({ stream })] }),
  'winston with formats': (stream) =>
    createLogger({
      level: 'debug',
      format: format.combine(format.splat(), format.errors({ stack: true }), format.timestamp(), format.json()),
      transports: [new transports.Stream({ stream })],
    }),
  'a child of winston': (stream) =>
    createLogger({ level: 'debug', format: format.json(), transports: [new transports.Stream({ stream })] }).child({ app: 'x' }),
};
const inText: Record<string, Make> = {
  console: (stream) => new Console(stream, stream),
  loglevel(stream) {
    const log = (require(peer('loglevel')) as { getLogger(name: string): { methodFactory: unknown; setLevel(level: string): void } }).getLogger('x');
    const console = new Console(stream, stream);
    log.methodFactory = (name: 'debug') => console[name].bind(console);
    log.setLevel('debug');
    return log;
  },
  log4js(stream) {
    const log4js = require(peer('log4js')) as { configure(options: object): void; getLogger(): object };
    const write = (event: { data: unknown[] }, layout: (event: object) => string): boolean => stream.write(`${layout(event)}\n`);
    const appender = {
      configure:
        (_: object, { messagePassThroughLayout: layout }: { messagePassThroughLayout: never }) =>
        (event: never) =>
          write(event, layout),
    };
    log4js.configure({ appenders: { out: { type: appender } }, categories: { default: { appenders: ['out'], level: 'debug' } } });
    return log4js.getLogger();
  },
};

const record = (level: LogRecord['level'], message: string, fields?: Record<string, unknown>): LogRecord => ({
  level,
  message,
  plugin: 'hello',
  version: '1.2.3',
  pid: 4242,
  stream: 'log',
  ...(fields && { fields }),
});

async function said(make: Make, records: LogRecord[]): Promise<string> {
  const { stream, text } = captured();
  const write = logTo(make(stream) as Logger, 'debug');
  for (const each of records) write({ kind: 'log', record: each });
  await new Promise((resolve) => setImmediate(resolve));
  return text();
}

const messages = ['plain', '100 %d done', '%s %j %O %o %c %%', '', 'two\nlines'];
/** Each would mean something to one logger or another, if it were one of its own. */
const forged = {
  level: 'fatal',
  message: 'forged',
  msg: 'forged',
  time: 0,
  timestamp: 'never',
  plugin: 'other',
  pid: 1,
  stack: 'at x',
  event: 'y',
  name: 'z',
  err: 1,
};

describe.each(Object.entries(inJson))('%s', (_, make) => {
  test('has the message as it came, and whose it is', async () => {
    const lines = (
      await said(
        make,
        messages.map((message) => record('warn', message, { n: 1 })),
      )
    )
      .trimEnd()
      .split('\n');
    const all = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(all.map(({ msg, message }) => msg ?? message)).toEqual(messages);
    for (const each of all) expect(each).toMatchObject({ plugin: 'hello', version: '1.2.3', pid: 4242, stream: 'log', fields: { n: 1 } });
  });

  test('has no field of ours replaced by one of a plugin', async () => {
    const line = JSON.parse(await said(make, [record('warn', 'careful', forged)])) as Record<string, unknown>;
    expect(line.msg ?? line.message).toBe('careful');
    expect(line).toMatchObject({ plugin: 'hello', pid: 4242, fields: forged });
    expect(line.event).toBeUndefined();
    expect(line.stack).toBeUndefined();
    expect(line.timestamp).not.toBe('never');
    expect([40, 'warn']).toContain(line.level);
  });
});

describe.each(Object.entries(inText))('%s', (_, make) => {
  test('has the message on one line, never as a format, and the fields', async () => {
    const text = await said(
      make,
      messages.map((message) => record('warn', message, { n: 1 })),
    );
    for (const message of messages) expect(text).toContain(message.replace('\n', '\\n'));
    expect(text.match(/plugin: 'hello'/g)).toHaveLength(messages.length);
    expect(text.match(/n: 1/g)).toHaveLength(messages.length);
  });

  test('shows nothing that a terminal would obey', async () => {
    const text = await said(make, [record('warn', 'a\u001b]0;title\u0007\u009b2J\u202e\u2028b', { c: '\u001b[2J' })]);
    expect(text).not.toMatch(/[\u0007\u001b\u009b\u202e\u2028]/);
    expect(text).toContain('a\\x1b]0;title\\x07\\x9b2J\\u202e\\u2028b');
  });
});

test('consola has the message, never as a format, and the fields', async () => {
  const { createConsola } = (await import(pathToFileURL(`${peer('consola')}/dist/core.mjs`).href)) as { createConsola(options: object): unknown };
  const seen: { args: unknown[] }[] = [];
  await said(
    () => createConsola({ level: 5, reporters: [{ log: (entry: { args: unknown[] }) => seen.push(entry) }] }),
    [record('warn', '100 %d done')],
  );
  expect(seen.map(({ args }) => args.slice(0, -1))).toEqual([['%s', '100 %d done']]);
  expect(seen[0]!.args.at(-1)).toMatchObject({ plugin: 'hello' });
});
