/** What plugins print becomes records, and what happens becomes lines, in whatever logger the host has. */
import { describe, expect, test } from 'vitest';
import { createSupervisor, type Logger, type LogLevel } from '../../src/index.ts';
import { join } from 'node:path';
import { fixtures, useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

interface Line {
  level: LogLevel;
  message: string;
  fields: Record<string, unknown>;
}

/** A logger of four methods, and what it was given. */
function keeping(): { logger: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (level: LogLevel) =>
    (message: string, fields: object = {}): void =>
      void lines.push({ level, message, fields: fields as Record<string, unknown> });
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
}

async function chatty(): Promise<Watched> {
  const watched = await supervise.fixture('chatty', { options: { mood: 'good' } });
  await until('init has spoken', () => watched.logs.length > 0);
  watched.logs.splice(0);
  return watched;
}

describe('a record', () => {
  test('of the plugin’s own log has its level, its fields, and whose it is', async () => {
    const { supervisor, logs } = await supervise.fixture('chatty', { options: { mood: 'good' } });
    await supervisor.call('chatty', 'levels');
    await until('five records', () => logs.length === 5);
    const { pid } = supervisor.status('chatty');
    const origin = { plugin: 'chatty', version: '1.2.3', pid, stream: 'log' };
    expect(logs[0]).toMatchObject({ ...origin, level: 'info', message: 'init says hello', fields: { options: { mood: 'good' } } });
    expect(logs.slice(1)).toMatchObject([
      { ...origin, level: 'debug', message: 'a debug', fields: { n: 1 } },
      { ...origin, level: 'info', message: 'an info', fields: { n: 2 } },
      { ...origin, level: 'warn', message: 'a warning', fields: { n: 3 } },
      { ...origin, level: 'error', message: 'an error', fields: { n: 4 } },
    ]);
  });

  test('is made of console and of both outputs', async () => {
    const { supervisor, logs } = await chatty();
    await supervisor.call('chatty', 'console');
    await until('three records', () => logs.length === 3);
    const { pid } = supervisor.status('chatty');
    expect(logs.map(({ message }) => message).toSorted()).toEqual(['careful', 'printed 2 things', 'written']);
    for (const record of logs) expect(record).toMatchObject({ plugin: 'chatty', version: '1.2.3', pid });
    expect(logs.find(({ message }) => message === 'careful')!.level).toBe('warn');
    expect(logs.find(({ message }) => message === 'written')).toMatchObject({ level: 'info', stream: 'stdout' });
  });

  test('is a line, however many writes it took', async () => {
    const { supervisor, logs } = await chatty();
    await supervisor.call('chatty', 'split');
    await until('a record', () => logs.length > 0);
    expect(logs.map(({ message }) => message)).toEqual(['one record, 世界']);
  });

  test('is made of every line that goes past us to the descriptor, and no call is the worse for it', async () => {
    const { supervisor, logs } = await chatty();
    await supervisor.call('chatty', 'raw', [5_000]);
    await until('every line', () => logs.length === 5_000);
    expect(logs.every(({ message }, n) => message === `raw ${n}`)).toBe(true);
  });
});

describe('a logger', () => {
  test.each([
    ['error', 1],
    ['warn', 2],
    ['info', 3],
    ['debug', 4],
  ] as const)('at logLevel %s gets that and what is worse', async (logLevel, kinds) => {
    const { logger, lines } = keeping();
    const supervisor = await createSupervisor({ logger, logLevel });
    try {
      await supervisor.load(join(fixtures, 'chatty'));
      await supervisor.call('chatty', 'levels');
      const said = (): Line[] => lines.filter(({ message }) => /^an? (debug|info|warning|error)$/.test(message));
      await until('its records', () => said().length >= kinds);
      expect(said().map(({ level }) => level)).toEqual((['debug', 'info', 'warn', 'error'] as const).slice(4 - kinds));
      for (const { fields } of said()) expect(fields).toMatchObject({ plugin: 'chatty', version: '1.2.3', pid: supervisor.status('chatty').pid });
      expect(lines.some(({ message }) => message.startsWith('ready in'))).toBe(kinds >= 3);
    } finally {
      await supervisor.close();
    }
  });

  test('is anything with four methods, console too, called on itself', async () => {
    class Own {
      #said: string[] = [];
      debug(message: string): void {
        this.#said.push(message);
      }
      info(message: string): void {
        this.#said.push(message);
      }
      warn(message: string): void {
        this.#said.push(message);
      }
      error(message: string): void {
        this.#said.push(message);
      }
      get said(): string[] {
        return this.#said;
      }
    }
    const own = new Own();
    await using supervisor = await createSupervisor({ logger: own });
    await supervisor.load(join(fixtures, 'chatty'));
    expect(own.said).toContain('active');
    await using other = await createSupervisor({ logger: console, logLevel: 'error' });
    await other.load(join(fixtures, 'chatty'));
  });

  test('hears what happens, with the facts as fields', async () => {
    const { logger, lines } = keeping();
    await using supervisor = await createSupervisor({ logger });
    await supervisor.load(join(fixtures, 'polite'));
    await supervisor.call('polite', 'exit', [4]).catch(() => {});
    await until('the crash is told', () => lines.some(({ fields }) => fields['event'] === 'instance-crashed'));
    const crash = lines.find(({ fields }) => fields['event'] === 'instance-crashed')!;
    expect(crash).toMatchObject({ level: 'error', fields: { plugin: 'polite', version: '1.0.0', exit: { code: 4 } } });
    expect(crash.message).toContain('exit code 4');
  });

  test('that is missing a method is refused', async () => {
    const logger = { info() {}, warn() {}, error() {} } as unknown as Logger;
    await expect(createSupervisor({ logger })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID', issues: [{ path: 'logger' }] });
  });
});

test('without a logger nothing is printed', async () => {
  const written: unknown[] = [];
  const [out, err] = [process.stdout.write, process.stderr.write];
  const note = (chunk: unknown): boolean => written.push(chunk) > 0;
  process.stdout.write = note;
  process.stderr.write = note;
  try {
    await using supervisor = await createSupervisor();
    await supervisor.load(join(fixtures, 'chatty'));
    await supervisor.call('chatty', 'console');
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
  }
  expect(written).toEqual([]);
});
