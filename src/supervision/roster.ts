/**
 * The plugins by name, and what an operator has done with them. What should run by itself is the reconciler's matter.
 *
 * 1. Options that were given for a plugin are kept, whether it is there yet or not.
 * 2. Nothing is started that was not checked right before.
 */
import { availableParallelism } from 'node:os';
import PQueue from 'p-queue';
import { scanCatalog } from '../catalog/catalog.ts';
import { highestSatisfying } from '../catalog/reference.ts';
import { checkEngines, readRelease, type Release } from '../catalog/release.ts';
import { isChameleonError, PluginExistsError, PluginNotFoundError, PluginUnavailableError, SupervisorClosedError } from '../errors.ts';
import type { CallObserver, Emit } from '../events.ts';
import { Spares } from '../instance/spares.ts';
import { resolvePluginOptions, resolveRollout, type ResolvedOptions, type ResolvedPluginOptions, type ResolvedRolloutOptions } from '../options.ts';
import { verifyRelease } from '../install/api.ts';
import { nodeVersion } from '../process/node-version.ts';
import { ByteBudget } from '../resilience/queue.ts';
import { Memory } from '../state/memory.ts';
import type { LoadOptions, PluginOptions, RolloutResult } from '../types.ts';
import type { Refusal, StopReport } from './deployment-state.ts';
import { Plugin } from './plugin.ts';
import { recall } from './recall.ts';
import { Retirement } from './retirement.ts';

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
  readonly #starts = new PQueue({ concurrency: 2 * availableParallelism() });
  readonly spares: Spares;
  readonly #total: ByteBudget;
  /** As they were given last. */
  options: ResolvedOptions;
  /** What happens is remembered there. */
  memory = new Memory(new Map(), null, () => {});
  #closed = false;

  constructor(setup: RosterOptions) {
    this.#setup = setup;
    this.options = setup.options;
    this.spares = new Spares({ count: setup.options.spares, starts: this.#starts, random: setup.random });
    this.#total = new ByteBudget(setup.options.maxTotalQueueBytes);
  }

  /** Throws `PluginNotFoundError`. */
  get(name: string): Plugin {
    const plugin = this.plugins.get(name);
    if (plugin === undefined) throw new PluginNotFoundError(name, [...this.plugins.keys()]);
    return plugin;
  }

  async load(dir: string, asked: LoadOptions): Promise<RolloutResult> {
    const release = await readRelease(dir);
    const options = this.#optionsWith(release.name, asked.options);
    const plugin = this.plugins.get(release.name) ?? this.add(release.name, options);
    const pick = (): Promise<Release> => {
      if (plugin.active?.release.version === release.version) throw new PluginExistsError({ plugin: release.name, version: release.version });
      return this.checked(release, options);
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
      const { dir, version } = plugin.route(null).release;
      return this.checked(await readRelease(dir, { name, version }), options);
    };
    return this.rollOut(plugin, pick, options, asked);
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
      retirement: this.#retirement,
      installed: (range) => this.#installed(name, range),
      verify: refusalOf,
    });
    this.plugins.set(name, plugin);
    return plugin;
  }

  #forgetEmpty(plugin: Plugin): void {
    if (plugin.isEmpty && this.plugins.get(plugin.name) === plugin) this.plugins.delete(plugin.name);
  }

  /** A release that may be started. Throws `ManifestInvalidError` and `IntegrityError`. */
  async checked(release: Release, options: ResolvedPluginOptions): Promise<Release> {
    const node = release.entry === null ? null : await nodeVersion(options.nodePath);
    checkEngines(release, { chameleon: this.#setup.version, node });
    const refusal = await refusalOf(release);
    if (refusal !== null) throw refusal.error;
    return release;
  }

  /** Looks anew: what a call asks for may have been put there since. */
  async #installed(name: string, range: string): Promise<Release | null> {
    const { pluginDir } = this.options;
    const releases = pluginDir === null ? [] : ((await scanCatalog(pluginDir)).releases.get(name) ?? []);
    const release = highestSatisfying(releases, range);
    return release === undefined ? null : this.checked(release, resolvePluginOptions(this.options, name));
  }
}

/** Whether a release is still what was installed: looked at before each start. */
async function refusalOf(release: Release): Promise<Refusal | null> {
  try {
    await verifyRelease(release);
    return null;
  } catch (error) {
    if (isChameleonError(error)) return { error, isShortage: false };
    const { name: plugin, version } = release;
    return { error: new PluginUnavailableError({ plugin, version }, 'not to be looked at', error), isShortage: true };
  }
}
