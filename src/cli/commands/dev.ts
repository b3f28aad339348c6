/**
 * `dev DIR`: a plugin while it is written, in a supervisor of its own. What is saved is built and replaces what runs; what is wrong is told as
 * the compiler or the plugin tells it, and what ran before runs on.
 */
import path from 'node:path';
import type { FSWatcher } from 'chokidar';
import { atOnce, Development, type Round } from '../../build/development.ts';
import { readProject } from '../../build/project.ts';
import { createSupervisor, type Logger, type LogLevel, type Supervisor, type SupervisorOptions } from '../../index.ts';
import { loadConfig } from '../config-file.ts';
import type { ClientFlags } from '../context.ts';
import { factsOf } from '../errors.ts';
import { runInForeground } from '../foreground.ts';
import { millis } from '../render/units.ts';
import { plain, print } from '../terminal.ts';

export interface DevFlags extends ClientFlags {
  logLevel?: LogLevel;
}

/** Editors save in several steps, and several files at once. */
const SETTLE_MS = 50;
/** Hidden files and what is installed; a path that leads out of the folder, `../lib.ts`, is not hidden. */
const NOT_LOOKED_AT = /(?:^|[\\/])(?:\.(?!\.[\\/])[^\\/]+|node_modules)(?:[\\/]|$)/;

export async function dev(given: string, flags: DevFlags): Promise<number> {
  const { dir } = await readProject(given);
  const { baseDir, options } = await loadConfig({ cwd: process.cwd(), ...(flags.config === undefined ? {} : { file: flags.config }) });
  const { pluginDir: _, logLevel, ...configured } = options;
  const rest = { ...configured, defaults: atOnce(configured.defaults) };
  const level = flags.logLevel ?? logLevel ?? 'info';
  let workshop: Workshop | undefined;
  const exitCode = await runInForeground({
    flags,
    baseDir,
    logLevel: level,
    create: (logger) => createSupervisor({ ...rest, logLevel: level, logger }),
    run: async (supervisor, logger, socket) => {
      const opened = await Workshop.open({ dir, supervisor, logger, options: rest });
      workshop = opened;
      void opened.work('first build').then(() => print(readyLine(supervisor, dir, socket, flags.json === true)));
      return () => opened.close();
    },
    reread: async () => workshop?.work('SIGHUP'),
  });
  await workshop?.dispose();
  return exitCode;
}

function readyLine(supervisor: Supervisor, dir: string, socket: string, json: boolean): string {
  const { pid, plugins } = supervisor.status();
  const active = plugins.filter(({ state }) => state === 'active').map(({ name, version }) => `${name}@${version}`);
  if (json) return JSON.stringify({ ready: true, pid, socket, dir, active });
  return `ready: ${active.length === 0 ? 'nothing runs yet' : active.join(', ')}; watching ${dir}; pid ${pid}, socket ${socket}`;
}

interface WorkshopSetup {
  dir: string;
  supervisor: Supervisor;
  logger: Logger;
  options: SupervisorOptions;
}

/** The watcher and the rounds: one at a time, and one more when something was saved meanwhile. */
class Workshop {
  readonly #dir: string;
  readonly #logger: Logger;
  readonly #development: Development;
  readonly #watcher: FSWatcher;
  readonly #changed = new Set<string>();
  #working: Promise<void> | null = null;
  #settled: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor({ dir, logger }: WorkshopSetup, development: Development, watcher: FSWatcher) {
    this.#dir = dir;
    this.#logger = logger;
    this.#development = development;
    this.#watcher = watcher;
    watcher.on('all', (_event, file) => this.#noticed(file));
    watcher.on('error', (error) => logger.error(`cannot watch ${dir}: ${String(error)}`));
  }

  static async open(setup: WorkshopSetup): Promise<Workshop> {
    const { dir, supervisor, options } = setup;
    const { watch } = await import('chokidar');
    const development = await Development.open(dir, supervisor, options);
    const watcher = watch(dir, { ignoreInitial: true, ignored: (file) => file !== dir && NOT_LOOKED_AT.test(path.relative(dir, file)) });
    await new Promise<void>((resolve) => watcher.once('ready', resolve));
    return new Workshop(setup, development, watcher);
  }

  /** Works off what has changed, `what` included; never rejects. */
  work(what: string): Promise<void> {
    this.#changed.add(what);
    return (this.#working ??= this.#rounds());
  }

  /** Begins no more rounds. One that runs ends with the supervisor, which stops a candidate as it stops the rest. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#settled);
    await this.#watcher.close();
  }

  /** Call once the supervisor is closed. */
  async dispose(): Promise<void> {
    await this.#working;
    await this.#development.dispose();
  }

  async #rounds(): Promise<void> {
    while (this.#changed.size > 0 && !this.#closed) {
      const what = [...this.#changed].join(', ');
      this.#changed.clear();
      await this.#round(what);
    }
    this.#working = null;
  }

  async #round(what: string): Promise<void> {
    const began = performance.now();
    try {
      const round = await this.#development.round();
      if (round.warnings !== '') this.#logger.warn(plain(round.warnings.trimEnd()));
      this.#logger.info(`${what}: ${describe(round, performance.now() - began)}`, { plugin: round.name, version: round.version });
      const beside = this.#development.sources.filter((file) => path.relative(this.#dir, file).startsWith('..'));
      if (beside.length > 0) this.#watcher.add(beside);
    } catch (error) {
      if (this.#closed) return;
      const { message, code } = factsOf(error);
      this.#logger.error(`${what}: nothing is replaced: ${plain(message)}`, { code });
    }
  }

  #noticed(file: string): void {
    if (this.#closed || !this.#development.matters(file)) return;
    this.#changed.add(path.relative(this.#dir, file));
    clearTimeout(this.#settled);
    this.#settled = setTimeout(() => void (this.#working ??= this.#rounds()), SETTLE_MS);
  }
}

function describe({ name, version, buildMs, rollout: { from } }: Round, ms: number): string {
  const change = from === null ? version : from === version ? `${version} with a fresh process` : `${from} → ${version}`;
  return `${plain(name)} ${change} is active, after ${millis(ms)} ms, of which ${millis(buildMs)} to build`;
}
