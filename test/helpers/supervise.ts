/**
 * Supervisors for tests, and what every test promises besides its own: when it is over no child of ours is alive, no process
 * warning was printed and nothing was rejected unheard.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { createSupervisor, type Supervisor, type SupervisorEvent, type SupervisorOptions } from '../../src/index.ts';
import { processesMarked } from '../../src/process/marker.ts';
import { until } from './until.ts';

export const fixtures = resolve(import.meta.dirname, '../fixtures/plugins');
export const examples = resolve(import.meta.dirname, '../../plugins');

/** How long after its end an instance may leave anything behind: I4. */
const GONE_MS = 6_000;

export interface Watched {
  supervisor: Supervisor;
  /** Everything that happened, log records left out. */
  events: Exclude<SupervisorEvent, { kind: 'log' }>[];
  logs: Extract<SupervisorEvent, { kind: 'log' }>['record'][];
}

export interface Supervise {
  /** A supervisor that is closed after the test. Log records are kept, not printed. */
  (options?: SupervisorOptions): Promise<Watched>;
  /** One that runs the fixture of this name, with these options of the plugin. */
  fixture(name: string, plugin?: NonNullable<SupervisorOptions['defaults']>, more?: SupervisorOptions): Promise<Watched>;
  /** Has this one closed after the test, too. */
  own(supervisor: Supervisor): Supervisor;
  /** A temporary folder that is removed after the test. */
  tempDir(): Promise<string>;
}

/** Call once at the top of a test file. */
export function useSupervisors(): Supervise {
  const running: Supervisor[] = [];
  const folders: string[] = [];
  const warnings: string[] = [];
  const unheard: unknown[] = [];
  const onWarning = (warning: Error): void => void warnings.push(`${warning.name}: ${warning.message}`);
  const onUnheard = (reason: unknown): void => void unheard.push(reason);

  beforeEach(() => {
    process.on('warning', onWarning);
    process.on('unhandledRejection', onUnheard);
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((supervisor) => supervisor.close({ drainTimeoutMs: 1_000 })));
    await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
    await until('no process of an instance is left', async () => (await ourChildren()).length === 0, GONE_MS);
    process.off('warning', onWarning);
    process.off('unhandledRejection', onUnheard);
    expect(warnings.splice(0), 'process warnings').toEqual([]);
    expect(unheard.splice(0), 'unhandled rejections').toEqual([]);
  });

  const supervise = async (given: SupervisorOptions = {}): Promise<Watched> => {
    // The fixtures may be another user's, as in a container that runs as root over the files of its host.
    const options: SupervisorOptions = { strictModes: false, ...given };
    const events: Watched['events'] = [];
    const logs: Watched['logs'] = [];
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const supervisor = await createSupervisor({ logger, ...options, pluginDir: undefined, plugins: options.plugins });
    running.push(supervisor);
    supervisor.on('event', (event) => {
      if (event.kind === 'log') logs.push(event.record);
      else events.push(event);
    });
    if (options.pluginDir !== undefined) await supervisor.reconfigure(options);
    return { supervisor, events, logs };
  };

  return Object.assign(supervise, {
    async fixture(name: string, plugin: NonNullable<SupervisorOptions['defaults']> = {}, more: SupervisorOptions = {}): Promise<Watched> {
      const watched = await supervise({ ...more, defaults: plugin });
      await watched.supervisor.load(join(fixtures, name));
      return watched;
    },
    own(supervisor: Supervisor): Supervisor {
      running.push(supervisor);
      return supervisor;
    },
    async tempDir(): Promise<string> {
      const folder = await mkdtemp(join(tmpdir(), 'chameleon-test-'));
      folders.push(folder);
      return folder;
    },
  });
}

/** The pids of living processes that belong to an instance of this process. */
export async function ourChildren(): Promise<number[]> {
  const ours = await processesMarked((marker) => marker.startsWith(`${process.pid}-`));
  return ours.map(({ pid }) => pid);
}
