/**
 * The plugins by name, and what an operator has done with them. What should run by itself is the reconciler's matter.
 *
 * 1. Options that were given for a plugin are kept, whether it is there yet or not.
 * 2. Nothing is started that was not checked right before.
 */
import { realpath } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { sep } from 'node:path';
import satisfies from 'semver/functions/satisfies.js';
import { scanCatalog, type Catalog } from '../catalog/catalog.ts';
import { highestSatisfying } from '../catalog/reference.ts';
import { readRelease, type Release } from '../catalog/release.ts';
import { PluginExistsError, PluginNotFoundError, PluginUnavailableError, SupervisorClosedError, UnsafeFolderError } from '../errors.ts';
import type { CallObserver, Emit } from '../events.ts';
import { Spares } from '../instance/spares.ts';
import { resolvePluginOptions, resolveRollout, type ResolvedOptions, type ResolvedPluginOptions, type ResolvedRolloutOptions } from '../options.ts';
import { Limiter } from '../resilience/limiter.ts';
import { ByteBudget } from '../resilience/queue.ts';
import { IntakeBudget } from '../rpc/intake.ts';
import { Memory } from '../state/memory.ts';
import type { LoadOptions, PluginOptions, RolloutResult } from '../types.ts';
import type { StopReport } from './deployment-state.ts';
import { checkRelease, refusalOf } from './check-release.ts';
import { Plugin } from './plugin.ts';
import { recall } from './recall.ts';
import { Retirement } from './retirement.ts';
import { StrictModes } from './strict-modes.ts';

export interface RosterOptions {
  options: ResolvedOptions;
  /** Of this package, for `engines.chameleon`. */
  version: string;
  emit: Emit;
  observer: CallObserver | null;
  random(): number;
}

export class Roster {
  readonly plugins = new Map<string, Plugin>();
  readonly #retirement = new Retirement();
  readonly #setup: RosterOptions;
  readonly #starts = new Limiter(2 * availableParallelism());
  readonly spares: Spares;
  readonly #total: ByteBudget;
  readonly #intake: IntakeBudget;
  readonly #modes: StrictModes;
  /** As they were given last. */
  options: ResolvedOptions;
  /** What happens is remembered there. */
  memory = new Memory(new Map(), null, () => {});
  /** Versions that may not be started, as of the last scan of the plugin folder. */
  refused: Catalog['refused'] = [];
  #closed = false;
  /** Where plugin folders really were, however they were named. */
  readonly #roots = new Set<string>();

  constructor(setup: RosterOptions) {
    this.#setup = setup;
    this.options = setup.options;
    this.spares = new Spares({ count: setup.options.spares, starts: this.#starts, random: setup.random });
    this.#total = new ByteBudget(setup.options.maxTotalQueueBytes);
    this.#intake = new IntakeBudget(setup.options.maxTotalAnswerBytes);
    this.#modes = new StrictModes(() => this.options.strictModes, setup.emit);
  }

  /** From now on these hold, for what is started and for the bounds that all plugins share. */
  follow(options: ResolvedOptions): void {
    this.options = options;
    this.spares.resize(options.spares);
    this.#total.limit = options.maxTotalQueueBytes;
    this.#intake.limit = options.maxTotalAnswerBytes;
  }

  /** All plugins by name: they are added in the order in which their checks end, which is another each time. */
  sorted(): Plugin[] {
    return [...this.plugins.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws `PluginNotFoundError`, and `PluginUnavailableError` for one that was refused. */
  get(name: string): Plugin {
    const plugin = this.plugins.get(name);
    if (plugin !== undefined) return plugin;
    const refusal = this.refused.find(({ error }) => error.plugin === name)?.error;
    if (refusal === undefined) throw new PluginNotFoundError(name, [...this.plugins.keys()]);
    throw new PluginUnavailableError({ plugin: name, version: refusal.version }, 'refused', refusal);
  }

  async load(dir: string, asked: LoadOptions): Promise<RolloutResult> {
    const release = await readRelease(dir);
    const options = this.#optionsWith(release.name, asked.options);
    const plugin = this.plugins.get(release.name) ?? this.add(release.name, options);
    const pick = async (): Promise<Release> => {
      if (plugin.active?.release.version === release.version) throw new PluginExistsError({ plugin: release.name, version: release.version });
      return this.checked(release, options, dir);
    };
    try {
      return await this.rollOut(plugin, pick, options, asked);
    } finally {
      this.#forgetEmpty(plugin);
    }
  }

  /** The same version in a fresh child. Its package.json is read again. */
  async reload(name: string, asked: LoadOptions): Promise<RolloutResult> {
    const plugin = this.get(name);
    const options = this.#optionsWith(name, asked.options);
    const pick = async (): Promise<Release> => {
      const { release } = plugin.route(null);
      const { dir, version } = release;
      return this.checked((await this.#moved(release)) ?? (await readRelease(dir, { name, version })), options);
    };
    return this.rollOut(plugin, pick, options, asked);
  }

  /** The same version where the plugin folder has it now, if a link in its path leads elsewhere than it did. */
  async #moved(release: Release): Promise<Release | null> {
    const { pluginDir } = this.options;
    if (pluginDir === null || !this.isInstalled(release) || dirIsIn(release.dir, await realpath(pluginDir).catch(() => release.dir))) return null;
    const found = (await this.scan(pluginDir)).releases.get(release.name);
    return found?.find(({ version }) => version === release.version) ?? null;
  }

  /** Reads the plugin folder. Throws `ConfigInvalidError`. */
  async scan(pluginDir: string): Promise<Catalog> {
    const catalog = await this.#modes.judge(await scanCatalog(pluginDir), pluginDir);
    const root = await realpath(pluginDir).catch(() => null);
    if (root !== null) this.#roots.add(root);
    return catalog;
  }

  /** Whether it was found in the plugin folder, and not loaded from elsewhere. */
  isInstalled({ dir }: Release): boolean {
    return [...this.#roots].some((root) => dirIsIn(dir, root));
  }

  async rollback(name: string): Promise<RolloutResult> {
    const plugin = this.get(name);
    const { rollouts } = plugin;
    const ended = rollouts.restore() ?? (await rollouts.giveUp());
    if (ended === null) return this.rollOut(plugin, () => this.checked(plugin.previous(), plugin.options), plugin.options, { force: true }, false);
    await this.memory.save();
    return ended;
  }

  /** By these options, which are the plugin's from then on when they were asked for. Not `isTried`: it has served before, and is wanted now. */
  async rollOut(
    plugin: Plugin,
    pick: () => Promise<Release>,
    options: ResolvedPluginOptions,
    asked: LoadOptions,
    isTried = true,
  ): Promise<RolloutResult> {
    const { force = false, supersede } = asked;
    const rollout = (sameVersion: boolean): ResolvedRolloutOptions => {
      const resolved = { ...resolveRollout(options, asked.rollout), ...(!isTried && { steps: [], shadow: null }) };
      // A fresh child of the version that served is no change to go back from.
      return sameVersion && asked.rollout?.holdMs === undefined ? { ...resolved, holdMs: 0 } : resolved;
    };
    const result = await plugin.rollouts.run({ pick, options, rollout, force }, supersede);
    if (asked.options !== undefined) this.options.plugins.set(plugin.name, asked.options);
    // Whoever is told of it may count on it after the next start.
    await this.memory.save();
    return result;
  }

  async unload(name: string, version?: string): Promise<void> {
    const plugin = this.get(name);
    await plugin.unload(version);
    this.#forgetEmpty(plugin);
    await this.memory.save();
  }

  /** Stops every plugin; from now on none is added. */
  async close(drainTimeoutMs: number | undefined): Promise<StopReport[]> {
    this.#closed = true;
    const plugins = [...this.plugins.values()].map((plugin) => plugin.close(drainTimeoutMs));
    const [reports] = await Promise.all([Promise.all([...plugins, this.#retirement.close(drainTimeoutMs)]), this.spares.close()]);
    await this.memory.close();
    return reports.flat();
  }

  /** Ends every child at once. */
  kill(): void {
    for (const plugin of this.plugins.values()) plugin.kill();
    this.#retirement.kill();
  }

  /** The plugin's options, with `given` in place of its own ones; they are kept once they have proved good. */
  #optionsWith(name: string, given: PluginOptions | undefined): ResolvedPluginOptions {
    if (given === undefined) return resolvePluginOptions(this.options, name);
    return resolvePluginOptions({ ...this.options, plugins: new Map([[name, given]]) }, name);
  }

  /** Throws `SupervisorClosedError`. */
  add(name: string, options: ResolvedPluginOptions): Plugin {
    if (this.#closed) throw new SupervisorClosedError({ plugin: name });
    const { observer, random } = this.#setup;
    const emit: Emit = (event) => {
      recall(event, this.memory, this.plugins);
      this.#setup.emit(event);
    };
    const plugin = new Plugin({
      name,
      options,
      emit,
      observer,
      random,
      starts: this.#starts,
      spares: this.spares,
      total: this.#total,
      intake: this.#intake,
      retirement: this.#retirement,
      installed: (range) => this.#installed(name, range),
      verify: (release) => refusalOf(release, this.#modes),
    });
    this.plugins.set(name, plugin);
    return plugin;
  }

  #forgetEmpty(plugin: Plugin): void {
    if (plugin.isEmpty && this.plugins.get(plugin.name) === plugin) this.plugins.delete(plugin.name);
  }

  /** A release that may be started. `named` as for `StrictModes`. Throws `ManifestInvalidError`, `UnsafeFolderError` and `IntegrityError`. */
  async checked(release: Release, { nodePath }: ResolvedPluginOptions, named?: string): Promise<Release> {
    await checkRelease(release, { nodePath, version: this.#setup.version, modes: this.#modes, named });
    return release;
  }

  /** Looks anew: what a call asks for may have been put there since. */
  async #installed(name: string, range: string): Promise<Release | null> {
    const { pluginDir } = this.options;
    if (pluginDir === null) return null;
    const catalog = await this.scan(pluginDir);
    const release = highestSatisfying(catalog.releases.get(name) ?? [], range);
    if (release !== undefined) return this.checked(release, resolvePluginOptions(this.options, name));
    const refused = catalog.refused.flatMap(({ error }) => (error instanceof UnsafeFolderError && error.plugin === name ? [error] : []));
    const refusal = refused.find(({ version }) => satisfies(version ?? '', range));
    if (refusal !== undefined) throw refusal;
    return null;
  }
}

const dirIsIn = (dir: string, root: string): boolean => dir === root || dir.startsWith(root + sep);
