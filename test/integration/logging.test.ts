/** What plugins print becomes records, and what happens becomes lines, in whatever logger the host has. */
import { describe, expect, test } from 'vitest';
import { createSupervisor, type Logger, type LogLevel, type PluginThrewError, type SupervisorOptions } from '../../src/index.ts';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { putFiles } from '../helpers/put-plugin.ts';
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
    const supervisor = await createSupervisor({ logger, logLevel, strictModes: false });
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
    await using supervisor = await createSupervisor({ logger: own, strictModes: false });
    await supervisor.load(join(fixtures, 'chatty'));
    expect(own.said).toContain('active');
    await using other = await createSupervisor({ logger: console, logLevel: 'error', strictModes: false });
    await other.load(join(fixtures, 'chatty'));
  });

  test('hears what happens, with the facts as fields', async () => {
    const { logger, lines } = keeping();
    await using supervisor = await createSupervisor({ logger, strictModes: false });
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

describe('a host without a logger', () => {
  const warnings: (Error & { code?: string; detail?: string })[] = [];
  const note = (warning: Error): void => void warnings.push(warning);

  const warned = async (options: SupervisorOptions): Promise<typeof warnings> => {
    const [unwatched, ...rest] = process.listeners('warning');
    // The helper's own listener takes every warning for a mistake.
    process.removeAllListeners('warning').on('warning', note);
    try {
      await using supervisor = await createSupervisor({ ...options, strictModes: false });
      await supervisor.load(join(fixtures, 'polite'));
      // A warning is given in the next turn.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.removeAllListeners('warning');
      for (const listener of [unwatched!, ...rest]) process.on('warning', listener);
    }
    return warnings.splice(0);
  };

  test('is warned once of each plugin that cannot start, by its name', async () => {
    const folder = await supervise.tempDir();
    await putFiles(join(folder, 'broken'), {
      'package.json': '{"name":"broken","version":"1.0.0","main":"x.js"}',
      'x.js': 'throw new Error("not today")',
    });
    await putFiles(join(folder, 'none'), { 'package.json': '{"name":"none"}' });
    const given = await warned({ pluginDir: folder, defaults: { restart: { backoffMs: 1, maxBackoffMs: 1, maxRestarts: 2 } } });
    expect(given.map(({ name, code }) => ({ name, code })).toSorted((a, b) => (a.code! < b.code! ? -1 : 1))).toEqual([
      { name: 'ChameleonWarning', code: 'ERR_MANIFEST_INVALID' },
      { name: 'ChameleonWarning', code: 'ERR_START_FAILED' },
    ]);
    expect(given.find(({ code }) => code === 'ERR_START_FAILED')!.message).toContain('broken@1.0.0');
    expect(given.find(({ code }) => code === 'ERR_MANIFEST_INVALID')!.message).toContain(join(folder, 'none'));
  });

  test('is not warned where all is well, nor with a logger or strict, which tell it themselves', async () => {
    const folder = await supervise.tempDir();
    expect(await warned({ pluginDir: folder })).toEqual([]);
    await putFiles(join(folder, 'none'), { 'package.json': '{"name":"none"}' });
    expect(await warned({ pluginDir: folder, logger: keeping().logger })).toEqual([]);
    await expect(warned({ pluginDir: folder, strict: true })).rejects.toMatchObject({ code: 'ERR_MANIFEST_INVALID' });
    expect(warnings).toEqual([]);
  });
});

test('secrets are struck out of records, their fields, and errors that are thrown', async () => {
  const folder = await supervise.tempDir();
  const code = `exports.default = { methods: {
    log() {
      this.log.info('connecting to redis://:hunter2@db', { token: 'abc123', url: 'https://u:pw@h/' });
      console.log('-----BEGIN PRIVATE KEY-----'); console.log('aB3d'.repeat(16)); console.log('-----END PRIVATE KEY-----');
      require('node:fs').writeSync(1, 'password=hunter2\\n');
    },
    fail() { throw new Error('cannot reach postgres://app:hunter2@db', { cause: new Error('Authorization: Bearer hunter2') }); },
  } };`;
  await putFiles(folder, { 'package.json': '{"name":"leaky","version":"1.0.0","main":"x.cjs"}', 'x.cjs': code });
  const { supervisor, logs } = await supervise();
  await supervisor.load(folder);
  await supervisor.call('leaky', 'log');
  await until('five records', () => logs.length === 5);
  expect(logs.map(({ message }) => message).toSorted()).toEqual([
    '[redacted]',
    '[redacted]',
    '[redacted]',
    'connecting to redis://:[redacted]@db',
    'password=[redacted]',
  ]);
  expect(logs.find(({ fields }) => fields !== undefined)!.fields).toEqual({ token: '[redacted]', url: 'https://u:[redacted]@h/' });
  const error = (await supervisor.call('leaky', 'fail').catch((thrown: unknown) => thrown)) as PluginThrewError;
  expect(error.message).toContain('postgres://app:[redacted]@db');
  expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
  expect(JSON.stringify(error)).not.toContain('hunter2');
});

test('without a logger nothing is printed', async () => {
  const written: unknown[] = [];
  const [out, err] = [process.stdout.write, process.stderr.write];
  const note = (chunk: unknown): boolean => written.push(chunk) > 0;
  process.stdout.write = note;
  process.stderr.write = note;
  try {
    await using supervisor = await createSupervisor({ strictModes: false });
    await supervisor.load(join(fixtures, 'chatty'));
    await supervisor.call('chatty', 'console');
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
  }
  expect(written).toEqual([]);
});
