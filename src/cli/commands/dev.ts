/**
 * `dev DIR`: a plugin while it is written, in a supervisor of its own. What is saved is built and replaces what runs; what is wrong is told as
 * the compiler or the plugin tells it, and what ran before runs on.
 */
import path from 'node:path';
import type { FSWatcher } from 'chokidar';
import { atOnce, Development, type Inspect, type Round } from '../../build/development.ts';
import { readProject } from '../../build/project.ts';
import { createSupervisor, type Logger, type LogLevel, type Supervisor, type SupervisorOptions } from '../../index.ts';
import { loadConfig } from '../config-file.ts';
import type { ClientFlags } from '../context.ts';
import { DebugRelay } from '../debug-relay.ts';
import { factsOf } from '../errors.ts';
import { runInForeground } from '../foreground.ts';
import { millis } from '../render/units.ts';
import { shortageOf } from '../../util/watch-shortage.ts';
import { announce, jsonLine, plainLine } from '../terminal.ts';
import { clearTimeout, performance, setTimeout } from '../../util/timers.ts';

export interface DevFlags extends ClientFlags {
  logLevel?: LogLevel;
  /** A port; true for the usual one. */
  inspect?: number | true;
  inspectBrk?: number | true;
}

/** Editors save in several steps, and several files at once. */
const SETTLE_MS = 50;
/** Hidden files and what is installed; a path that leads out of the folder, `../lib.ts`, is not hidden. */
const NOT_LOOKED_AT = /(?:^|[\\/])(?:\.(?!\.[\\/])[^\\/]+|node_modules)(?:[\\/]|$)/;

export async function dev(given: string, flags: DevFlags): Promise<number> {
  const { dir } = await readProject(given);
  const { baseDir, options } = await loadConfig({ cwd: process.cwd(), file: flags.config });
  const { pluginDir: _, logLevel, ...configured } = options;
  // An author's folder is often another user's to root, as in a container.
  const rest = { strictModes: false, ...configured, defaults: atOnce(configured.defaults) };
  const level = flags.logLevel ?? logLevel ?? 'info';
  const port = flags.inspectBrk ?? flags.inspect;
  const relay = port === undefined ? null : await DebugRelay.open(port);
  const inspect = relay === null ? null : { breaks: flags.inspectBrk !== undefined };
  let workshop: Workshop | undefined;
  try {
    return await runInForeground({
      flags,
      baseDir,
      logLevel: level,
      create: (logger) => createSupervisor({ ...rest, logLevel: level, logger }),
      run: async (supervisor, logger, socket) => {
        const json = flags.json === true;
        relay?.follow(supervisor);
        if (relay !== null) announce(debuggerLine(relay.address, json));
        const opened = await Workshop.open({ dir, supervisor, logger, options: rest, inspect });
        workshop = opened;
        void opened.work('first build').then(() => announce(readyLine(supervisor, dir, socket, json)));
        return { end: () => opened.close() };
      },
      reread: async () => workshop?.work('SIGHUP'),
    });
  } finally {
    // Late, so that a debugger sees the end of the plugin too.
    await relay?.close();
    await workshop?.dispose();
  }
}

/** Printed early: with `--inspect-brk` nothing is ready before a debugger comes. */
function debuggerLine(address: string, json: boolean): string {
  return json ? jsonLine({ debugger: address }) : plainLine(`debugger: ${address} leads to the newest child`);
}

function readyLine(supervisor: Supervisor, dir: string, socket: string, json: boolean): string {
  const { pid, plugins } = supervisor.status();
  const active = plugins.filter(({ state }) => state === 'active').map(({ name, version }) => `${name}@${version}`);
  if (json) return jsonLine({ ready: true, pid, socket, dir, active });
  return plainLine(`ready: ${active.length === 0 ? 'nothing runs yet' : active.join(', ')}; watching ${dir}; pid ${pid}, socket ${socket}`);
}

interface WorkshopSetup {
  dir: string;
  supervisor: Supervisor;
  logger: Logger;
  options: SupervisorOptions;
  inspect: Inspect | null;
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
  }

  static async open(setup: WorkshopSetup): Promise<Workshop> {
    const { dir, supervisor, logger, options, inspect } = setup;
    const { watch } = await import('chokidar');
    const development = await Development.open(dir, supervisor, { ...options, inspect });
    const watcher = watch(dir, { ignoreInitial: true, ignored: (file) => file !== dir && NOT_LOOKED_AT.test(path.relative(dir, file)) });
    let isShort = false;
    await new Promise<void>((resolve) => {
      watcher.once('ready', resolve);
      watcher.on('error', (error) => {
        const shortage = shortageOf(error);
        // It comes once for each file.
        if (shortage === null) logger.error(`cannot watch ${dir}: ${String(error)}`);
        else if (!isShort) logger.error(`${shortage}; until then changes in ${dir} may go unseen, and SIGHUP builds anew`);
        isShort ||= shortage !== null;
        if (isShort) resolve();
      });
    });
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
      for (const line of linesOf(round.warnings)) this.#logger.warn(line);
      this.#logger.info(`${what}: ${describe(round, performance.now() - began)}`, { plugin: round.name, version: round.version });
      const beside = this.#development.sources.filter((file) => path.relative(this.#dir, file).startsWith('..'));
      if (beside.length > 0) this.#watcher.add(beside);
    } catch (error) {
      if (this.#closed) return;
      const { message, code } = factsOf(error);
      for (const line of linesOf(`${what}: nothing is replaced: ${message}`)) this.#logger.error(line, { code });
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
  return `${name} ${change} is active, after ${millis(ms)} ms, of which ${millis(buildMs)} to build`;
}

/** What a compiler says is read line by line, and a log record is one line. */
function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}
