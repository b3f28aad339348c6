/**
 * The plugins by name, and how what is on disk and what is configured become what runs.
 *
 * 1. A plugin that is refused or fails to start keeps no other from running.
 * 2. Options that were given for a plugin are kept, whether it is there yet or not.
 */
import { availableParallelism } from 'node:os';
import PQueue from 'p-queue';
import { scanCatalog, type Catalog } from '../catalog/catalog.ts';
import { highestSatisfying } from '../catalog/reference.ts';
import { checkEngines, readRelease, type Release } from '../catalog/release.ts';
import { PluginExistsError, PluginNotFoundError, SupervisorClosedError, VersionNotFoundError, type ChameleonError } from '../errors.ts';
import type { CallObserver, Emit } from '../events.ts';
import { resolvePluginOptions, resolveRollout, type ResolvedOptions, type ResolvedPluginOptions, type ResolvedRolloutOptions } from '../options.ts';
import { nodeVersion } from '../process/node-version.ts';
import { ByteBudget } from '../resilience/queue.ts';
import type { LoadOptions, PluginOptions, RolloutResult } from '../types.ts';
import type { StopReport } from './deployment-state.ts';
import { Plugin } from './plugin.ts';
import { Memory } from '../state/memory.ts';
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

/** What became of following new options. */
export interface ReconfigureReport {
  changed: string[];
  failed: { plugin: string; error: ChameleonError }[];
}

export class Roster {
  readonly plugins = new Map<string, Plugin>();
  readonly #retirement = new Retirement();
  readonly #setup: RosterOptions;
  readonly #starts = new PQueue({ concurrency: 2 * availableParallelism() });
  readonly #total: ByteBudget;
  #options: ResolvedOptions;
  #closed = false;
  #refused: Catalog['refused'] = [];
  #memory = new Memory(new Map(), null, () => {});

  constructor(setup: RosterOptions) {
    this.#setup = setup;
    this.#options = setup.options;
    this.#total = new ByteBudget(setup.options.maxTotalQueueBytes);
  }

  /** From now on what happens is remembered there, and what is remembered decides what is active. */
  remember(memory: Memory): void {
    this.#memory = memory;
  }

  /** What the catalog refused when it was read last. */
  get refused(): Catalog['refused'] {
    return this.#refused;
  }

  /** Throws `PluginNotFoundError`. */
  get(name: string): Plugin {
    const plugin = this.plugins.get(name);
    if (plugin === undefined) throw new PluginNotFoundError(name, [...this.plugins.keys()]);
    return plugin;
  }

  /** Starts what the plugin folder holds; resolves with what went wrong once each first start was seen. */
  async populate(): Promise<ChameleonError[]> {
    const catalog = await this.#scan();
    const errors = catalog.refused.map(({ error }) => error);
    const failures = await Promise.all([...catalog.releases].map(([name, releases]) => this.#first(name, releases)));
    return [...errors, ...failures.flat()];
  }

  async load(dir: string, asked: LoadOptions): Promise<RolloutResult> {
    const release = await readRelease(dir);
    const options = this.#optionsWith(release.name, asked.options);
    const plugin = this.plugins.get(release.name) ?? this.#add(release.name, options);
    const pick = (): Promise<Release> => {
      if (plugin.active?.release.version === release.version) throw new PluginExistsError({ plugin: release.name, version: release.version });
      return this.#checked(release, options);
    };
    try {
      return await this.#rollOut(plugin, pick, options, asked);
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
      return this.#checked(await readRelease(dir, { name, version }), options);
    };
    return this.#rollOut(plugin, pick, options, asked);
  }

  async rollback(name: string): Promise<RolloutResult> {
    const plugin = this.get(name);
    return plugin.restore() ?? this.#rollOut(plugin, () => plugin.previous(), plugin.options, { force: true });
  }

  async #rollOut(plugin: Plugin, pick: () => Release | Promise<Release>, options: ResolvedPluginOptions, asked: LoadOptions): Promise<RolloutResult> {
    const { force = false, supersede } = asked;
    const rollout = (sameVersion: boolean): ResolvedRolloutOptions => {
      const resolved = resolveRollout(options, asked.rollout);
      // A fresh child of the version that served is no change to go back from.
      return sameVersion && asked.rollout?.holdMs === undefined ? { ...resolved, holdMs: 0 } : resolved;
    };
    const result = await plugin.rollout({ pick, options, rollout, force }, supersede);
    if (asked.options !== undefined) this.#options.plugins.set(plugin.name, asked.options);
    // Whoever is told of it may count on it after the next start.
    await this.#memory.save();
    return result;
  }

  async unload(name: string, version?: string): Promise<void> {
    const plugin = this.get(name);
    await plugin.unload(version);
    this.#forgetEmpty(plugin);
  }

  /** Stops every plugin; from now on none is added. */
  async close(drainTimeoutMs: number | undefined): Promise<StopReport[]> {
    this.#closed = true;
    const plugins = [...this.plugins.values()].map((plugin) => plugin.close(drainTimeoutMs));
    const reports = await Promise.all([...plugins, this.#retirement.close(drainTimeoutMs)]);
    await this.#memory.close();
    return reports.flat();
  }

  /** Ends every child at once. */
  kill(): void {
    for (const plugin of this.plugins.values()) plugin.kill();
    this.#retirement.kill();
  }

  /** Makes what runs follow `options` and the plugin folder as they are now. */
  async follow(options: ResolvedOptions): Promise<ReconfigureReport> {
    this.#options = options;
    const catalog = await this.#scan();
    const report: ReconfigureReport = { changed: [], failed: [] };
    const names = new Set([...this.plugins.keys(), ...catalog.releases.keys()]);
    await Promise.all(
      [...names].map(async (name) => {
        try {
          if (await this.#adjust(name, catalog.releases.get(name) ?? [])) report.changed.push(name);
        } catch (error) {
          report.failed.push({ plugin: name, error: error as ChameleonError });
        }
      }),
    );
    return report;
  }

  /** Whether anything had to be changed. Throws when it could not be: what served goes on. */
  async #adjust(name: string, releases: readonly Release[]): Promise<boolean> {
    const plugin = this.plugins.get(name);
    const options = resolvePluginOptions(this.#options, name);
    if (plugin === undefined) {
      if (!options.enabled || releases.length === 0) return false;
      const [error] = await this.#first(name, releases);
      if (error !== undefined) throw error;
      return true;
    }
    if (!options.enabled) {
      await this.unload(name);
      return true;
    }
    const active = plugin.active?.release;
    const wanted = this.#choose(name, releases, options) ?? active;
    if (wanted === undefined) return false;
    const pinned = pinnedOf(releases, options, wanted);
    const isSame = wanted.version === active?.version && JSON.stringify(options) === JSON.stringify(plugin.options);
    if (isSame && plugin.hasPinned(pinned)) return false;
    if (!isSame) await this.#rollOut(plugin, () => this.#checked(wanted, options), options, {});
    await plugin.pinOnly(await Promise.all(pinned.map((release) => this.#checked(release, options))));
    return true;
  }

  /** Starts the active version and the pinned ones of a plugin that is not there yet. */
  async #first(name: string, releases: readonly Release[]): Promise<ChameleonError[]> {
    const options = resolvePluginOptions(this.#options, name);
    if (!options.enabled || releases.length === 0) return [];
    const { held, previous, pinned } = this.#memory.of(name);
    const active = this.#choose(name, releases, options);
    if (active === undefined) {
      return [
        this.#refuse(
          releases[0]!.dir,
          new VersionNotFoundError(
            name,
            options.version,
            releases.map(({ version }) => version),
          ),
        ),
      ];
    }
    try {
      await this.#checked(active, options);
    } catch (error) {
      return [this.#refuse(active.dir, error as ChameleonError)];
    }
    const plugin = this.#add(name, options);
    const before = releases.find(({ version }) => version === (held ?? previous));
    if (before !== undefined) plugin.remember(before);
    const again = releases.filter((release) => pinned.includes(release.version) && release !== active);
    const pins = [...new Set([...pinnedOf(releases, options, active), ...again])].map((release) =>
      this.#checked(release, options).then((fit) => plugin.pin(fit)),
    );
    const results = await Promise.allSettled([plugin.activate(active), ...pins]);
    return results.flatMap((result) => (result.status === 'rejected' ? [result.reason as ChameleonError] : []));
  }

  #choose(name: string, releases: readonly Release[], options: ResolvedPluginOptions): Release | undefined {
    const chosen = this.#memory.choose(name, releases, options.version);
    this.#memory.change(name, { known: releases.map(({ version }) => version) });
    return chosen;
  }

  /** Looks anew: what is asked for may have been put there since. */
  async #installed(name: string, range: string): Promise<Release | null> {
    const { pluginDir } = this.#options;
    const releases = pluginDir === null ? [] : ((await scanCatalog(pluginDir)).releases.get(name) ?? []);
    const release = highestSatisfying(releases, range);
    return release === undefined ? null : this.#checked(release, resolvePluginOptions(this.#options, name));
  }

  async #scan(): Promise<Catalog> {
    const { pluginDir } = this.#options;
    const catalog = pluginDir === null ? { releases: new Map<string, Release[]>(), refused: [] } : await scanCatalog(pluginDir);
    this.#refused = [];
    for (const { path, error } of catalog.refused) this.#refuse(path, error);
    return catalog;
  }

  #refuse(path: string, error: ChameleonError): ChameleonError {
    this.#refused = [...this.#refused, { path, error }];
    this.#setup.emit({ kind: 'plugin-refused', path, error });
    return error;
  }

  /** The plugin's options, with `given` in place of its own ones; they are kept once they have proved good. */
  #optionsWith(name: string, given: PluginOptions | undefined): ResolvedPluginOptions {
    if (given === undefined) return resolvePluginOptions(this.#options, name);
    return resolvePluginOptions({ ...this.#options, plugins: new Map([[name, given]]) }, name);
  }

  #add(name: string, options: ResolvedPluginOptions): Plugin {
    if (this.#closed) throw new SupervisorClosedError({ plugin: name });
    const { observer, random } = this.#setup;
    const emit: Emit = (event) => {
      recall(event, this.#memory, this.plugins);
      this.#setup.emit(event);
    };
    const plugin = new Plugin({
      name,
      options,
      emit,
      observer,
      random,
      starts: this.#starts,
      total: this.#total,
      retirement: this.#retirement,
      installed: (range) => this.#installed(name, range),
    });
    this.plugins.set(name, plugin);
    return plugin;
  }

  #forgetEmpty(plugin: Plugin): void {
    if (plugin.isEmpty && this.plugins.get(plugin.name) === plugin) this.plugins.delete(plugin.name);
  }

  async #checked(release: Release, options: ResolvedPluginOptions): Promise<Release> {
    await this.#checkEngines(release, options);
    return release;
  }

  async #checkEngines(release: Release, options: ResolvedPluginOptions): Promise<void> {
    const runsNode = release.entry !== null;
    checkEngines(release, { chameleon: this.#setup.version, node: runsNode ? await nodeVersion(options.nodePath) : null });
  }
}

/** What is to run beside the active release. */
function pinnedOf(releases: readonly Release[], options: ResolvedPluginOptions, active: Release): Release[] {
  const found = options.pin.map((range) => highestSatisfying(releases, range)).filter((release) => release !== undefined);
  return [...new Set(found)].filter((release) => release.version !== active.version);
}
