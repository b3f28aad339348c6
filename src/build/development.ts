/**
 * One plugin while it is written: each round builds it and puts what was built in the place of what runs, blue-green.
 *
 * 1. A round that fails changes nothing: what ran before runs on, and would be started again as it was.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix, relative, sep } from 'node:path';
import type { PluginOptions, RolloutResult, Supervisor, SupervisorOptions } from '../index.ts';
import { openOwnBundler, type Bundler } from './bundle.ts';
import { laidOutAt, layOut } from './lay-out.ts';
import { bundlePath, readProject, type Project } from './project.ts';
import { performance } from '../util/timers.ts';

export interface Round {
  name: string;
  version: string;
  buildMs: number;
  rollout: RolloutResult;
  /** In the compiler's own words; empty when there are none. */
  warnings: string;
}

interface Layout {
  project: Project & { source: string };
  code: string;
}

/** A debugger is wanted. `breaks`: the first child waits for one before any code runs. */
export interface Inspect {
  breaks: boolean;
}

export interface DevelopmentOptions extends Pick<SupervisorOptions, 'defaults' | 'plugins'> {
  inspect: Inspect | null;
}

const CODE = /(?<!\.(?:test|spec|d))\.[cm]?[jt]sx?$/;

export class Development {
  readonly #dir: string;
  readonly #folder: string;
  readonly #supervisor: Supervisor;
  readonly #options: DevelopmentOptions;
  #project: Project | null = null;
  #bundler: { at: string; bundler: Bundler } | null = null;
  #sources: readonly string[] = [];
  #running: { name: string; version: string; layout: Layout | null } | null = null;

  private constructor(dir: string, folder: string, supervisor: Supervisor, options: DevelopmentOptions) {
    this.#dir = dir;
    this.#folder = folder;
    this.#supervisor = supervisor;
    this.#options = options;
  }

  static async open(dir: string, supervisor: Supervisor, options: DevelopmentOptions): Promise<Development> {
    return new Development(dir, await realpath(await mkdtemp(join(tmpdir(), 'chameleon-dev-'))), supervisor, options);
  }

  /** Absolute paths of the author's own modules, as of the last round that built. */
  get sources(): readonly string[] {
    return this.#sources;
  }

  /** Whether a change of this file asks for a round. What a running plugin may write beside its source does not. */
  matters(file: string): boolean {
    const path = relative(this.#dir, file).split(sep).join('/');
    if (CODE.test(path) || path === 'package.json' || path === 'tsconfig.json' || this.#sources.includes(file)) return true;
    const { json, source = null } = this.#project ?? {};
    const files = Array.isArray(json?.files) ? json.files.map(String) : null;
    // Of a program in another language nothing else is known.
    return files?.some((pattern) => path.startsWith(plainStart(pattern))) ?? source === null;
  }

  /** Throws `BuildFailedError`, `ManifestInvalidError`, and what a rollout throws. One at a time. */
  async round(): Promise<Round> {
    const project = await readProject(this.#dir);
    this.#project = project;
    const { source, manifest } = project;
    const { name, version } = manifest;
    const began = performance.now();
    if (source === null) return { name, version, buildMs: 0, rollout: await this.#roll(project, project.dir, null), warnings: '' };
    const { code, warnings, sources } = await (await this.#bundlerFor({ ...project, source })).build();
    const buildMs = performance.now() - began;
    this.#sources = sources;
    const layout = { project: { ...project, source }, code };
    const before = this.#running?.layout ?? null;
    try {
      const dir = await layOut(layout.project, code, this.#folder);
      return { name, version, buildMs, rollout: await this.#roll(project, dir, layout), warnings };
    } catch (error) {
      if (before !== null) await layOut(before.project, before.code, this.#folder); // Keeps 1.
      throw error;
    }
  }

  /** Call once what runs is not needed any more. */
  async dispose(): Promise<void> {
    await this.#bundler?.bundler.dispose();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #roll({ manifest }: Project, dir: string, layout: Layout | null): Promise<RolloutResult> {
    const { name, version } = manifest;
    const running = this.#running;
    // A method that is gone is what the author wants.
    const options = { options: this.#optionsOf(name), force: true };
    const again = running?.name === name && running.version === version;
    const rollout = await (again ? this.#supervisor.reload(name, options) : this.#supervisor.load(dir, options));
    if (rollout.outcome !== 'promoted') throw new Error(`${name} ${version} is not active: ${rollout.detail ?? rollout.reason ?? rollout.outcome}`);
    this.#running = { name, version, layout };
    if (running !== null && running.name !== name) await this.#supervisor.unload(running.name);
    return rollout;
  }

  /** As configured, without delay, and with traces that lead to the source. */
  #optionsOf(name: string): PluginOptions {
    const own = atOnce(this.#options.plugins?.[name]);
    const { inspect, defaults } = this.#options;
    // Later children start beside one that a debugger has already: nobody would let them go.
    const breaks = inspect?.breaks === true && this.#running === null ? ['--inspect-brk'] : [];
    const execArgv = ['--enable-source-maps', ...breaks, ...(own.execArgv ?? defaults?.execArgv ?? [])];
    return { ...own, ...(inspect !== null && { debug: true }), execArgv };
  }

  /** The same one as long as the source is in the same place, since it remembers what it has read. */
  async #bundlerFor(project: Project & { source: string }): Promise<Bundler> {
    const at = join(laidOutAt(project, this.#folder), bundlePath(project.source));
    if (this.#bundler?.at === at) return this.#bundler.bundler;
    await this.#bundler?.bundler.dispose();
    this.#bundler = null;
    const bundler = await openOwnBundler(project, at);
    this.#bundler = { at, bundler };
    return bundler;
  }
}

/** What is saved gets all the calls, and the version before it none: neither canary nor hold. */
export function atOnce(options: PluginOptions = {}): PluginOptions {
  const strategy = options.rollout?.strategy;
  return { ...options, rollout: { ...(strategy === undefined ? {} : { strategy }), holdMs: 0 } };
}

/** What every path that a pattern of `files` fits begins with. */
function plainStart(pattern: string): string {
  return posix.normalize(pattern.replace(/^\//, '')).split(/[*?[{!]/)[0]!;
}
