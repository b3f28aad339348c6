/**
 * What is configured, what is installed and what is remembered → what should run, and the steps from what runs to that.
 *
 * 1. A plugin that is refused, or fails to start, keeps no other from running.
 * 2. What could not be changed serves on as it was.
 */
import { existsSync, statSync } from 'node:fs';
import { sep } from 'node:path';
import { scanCatalog, type Catalog } from '../catalog/catalog.ts';
import { highestSatisfying } from '../catalog/reference.ts';
import type { Release } from '../catalog/release.ts';
import { VersionNotFoundError, type ChameleonError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { resolvePluginOptions, type ResolvedOptions, type ResolvedPluginOptions } from '../options.ts';
import type { Deployment } from './deployment.ts';
import type { Roster } from './roster.ts';

/** What became of following new options. */
export interface ReconfigureReport {
  changed: string[];
  failed: { plugin: string; error: ChameleonError }[];
}

export class Reconciler {
  readonly #roster: Roster;
  readonly #emit: Emit;
  #refused: Catalog['refused'] = [];

  constructor(roster: Roster, emit: Emit) {
    this.#roster = roster;
    this.#emit = emit;
  }

  /** What the catalog refused when it was read last. */
  get refused(): Catalog['refused'] {
    return this.#refused;
  }

  /** Starts what the plugin folder holds; resolves with what went wrong once each first start was seen. */
  async begin(): Promise<ChameleonError[]> {
    const catalog = await this.#scan();
    const errors = catalog.refused.map(({ error }) => error);
    const failures = await Promise.all([...catalog.releases].map(([name, releases]) => this.#first(name, releases)));
    return [...errors, ...failures.flat()];
  }

  /** Makes what runs follow `options` and the plugin folder as they are now. */
  async follow(options: ResolvedOptions): Promise<ReconfigureReport> {
    this.#roster.options = options;
    this.#roster.spares.resize(options.spares);
    return this.#reconcile(await this.#scan());
  }

  /** The same for a plugin folder in which these paths have changed: versions that changed under what runs get a fresh child. */
  async refresh(paths: ReadonlySet<string>): Promise<void> {
    const { memory, plugins } = this.#roster;
    const catalog = await this.#scan();
    // What has failed may have been mended.
    for (const release of [...catalog.releases.values()].flat())
      if (within(release, paths).length > 0) memory.reconsider(release.name, release.version);
    const before = new Map([...plugins.values()].map((plugin) => [plugin, plugin.active]));
    await this.#reconcile(catalog);
    const stale = [...before].filter(([plugin, active]) => active !== null && active === plugin.active && isStale(active, paths, catalog));
    // Whoever wants to know why one did not succeed has heard it by an event.
    await Promise.all(stale.map(([plugin]) => this.#roster.reload(plugin.name, {}).catch(() => {})));
  }

  async #reconcile(catalog: Catalog): Promise<ReconfigureReport> {
    const report: ReconfigureReport = { changed: [], failed: [] };
    const names = new Set([...this.#roster.plugins.keys(), ...catalog.releases.keys()]);
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

  /** Whether anything had to be changed. Throws when it could not be. */
  async #adjust(name: string, releases: readonly Release[]): Promise<boolean> {
    const roster = this.#roster;
    const plugin = roster.plugins.get(name);
    const options = resolvePluginOptions(roster.options, name);
    if (plugin === undefined) {
      if (!options.enabled || releases.length === 0) return false;
      const [error] = await this.#first(name, releases);
      if (error !== undefined) throw error;
      return true;
    }
    const active = plugin.active?.release;
    // A folder that is broken may be mended; one that is gone could not even be restarted.
    const isGone = active !== undefined && !existsSync(active.dir);
    const wanted = this.#choose(name, releases, options) ?? (isGone ? undefined : active);
    if (!options.enabled || (wanted === undefined && isGone)) {
      await roster.unload(name);
      return true;
    }
    if (wanted === undefined) return false;
    const pinned = pinnedOf(releases, options, wanted);
    const isSame = wanted.version === active?.version && JSON.stringify(options) === JSON.stringify(plugin.options);
    if (isSame && plugin.hasPinned(pinned)) return false;
    if (!isSame) await roster.rollOut(plugin, () => roster.checked(wanted, options), options, {});
    await plugin.pinOnly(await Promise.all(pinned.map((release) => roster.checked(release, options))));
    return true;
  }

  /** Starts the active version and the pinned ones of a plugin that is not there yet. */
  async #first(name: string, releases: readonly Release[]): Promise<ChameleonError[]> {
    const roster = this.#roster;
    const options = resolvePluginOptions(roster.options, name);
    if (!options.enabled || releases.length === 0) return [];
    const { held, previous, pinned } = roster.memory.of(name);
    const active = this.#choose(name, releases, options);
    if (active === undefined) {
      const versions = releases.map(({ version }) => version);
      return [this.#refuse(releases[0]!.dir, new VersionNotFoundError(name, options.version, versions))];
    }
    try {
      await roster.checked(active, options);
    } catch (error) {
      return [this.#refuse(active.dir, error as ChameleonError)];
    }
    // Somebody else was faster while it was checked.
    if (roster.plugins.has(name)) return [];
    const plugin = roster.add(name, options);
    const before = releases.find(({ version }) => version === (held ?? previous));
    if (before !== undefined) plugin.remember(before);
    const again = releases.filter((release) => pinned.includes(release.version) && release !== active);
    const pins = [...new Set([...pinnedOf(releases, options, active), ...again])];
    const started = pins.map((release) => roster.checked(release, options).then((fit) => plugin.pin(fit)));
    const results = await Promise.allSettled([plugin.activate(active), ...started]);
    return results.flatMap((result) => (result.status === 'rejected' ? [result.reason as ChameleonError] : []));
  }

  #choose(name: string, releases: readonly Release[], options: ResolvedPluginOptions): Release | undefined {
    const { memory } = this.#roster;
    const chosen = memory.choose(name, releases, options.version);
    const known = releases.map(({ version }) => version);
    // One that is gone may come again, mended.
    memory.change(name, { known, failed: memory.of(name).failed.filter((version) => known.includes(version)) });
    return chosen;
  }

  async #scan(): Promise<Catalog> {
    const { pluginDir } = this.#roster.options;
    const catalog = pluginDir === null ? { releases: new Map<string, Release[]>(), refused: [] } : await scanCatalog(pluginDir);
    const before = new Set(this.#refused.map(({ path, error }) => `${path} ${error.message}`));
    this.#refused = [];
    // A mistake that is still there is not news.
    for (const { path, error } of catalog.refused) this.#refuse(path, error, !before.has(`${path} ${error.message}`));
    return catalog;
  }

  #refuse(path: string, error: ChameleonError, isNew = true): ChameleonError {
    this.#refused = [...this.#refused, { path, error }];
    if (isNew) this.#emit({ kind: 'plugin-refused', path, error });
    return error;
  }
}

/** What is to run beside the active release. */
function pinnedOf(releases: readonly Release[], options: ResolvedPluginOptions, active: Release): Release[] {
  const found = options.pin.map((range) => highestSatisfying(releases, range)).filter((release) => release !== undefined);
  return [...new Set(found)].filter((release) => release.version !== active.version);
}

function within({ dir }: Release, paths: ReadonlySet<string>): string[] {
  return [...paths].filter((path) => path === dir || path.startsWith(dir + sep));
}

/** Whether a file is not what its child has read: what is told late may have been written before that was started. */
function isStale(deployment: Deployment, paths: ReadonlySet<string>, { releases }: Catalog): boolean {
  const { release, state } = deployment;
  if (!existsSync(release.dir)) return false;
  // Nothing was read of what one that sleeps is to start with, but its package.json.
  if (state === 'idle') {
    const found = releases.get(release.name)?.find(({ dir }) => dir === release.dir);
    return found !== undefined && JSON.stringify(found) !== JSON.stringify(release);
  }
  const startedAt = Date.now() - deployment.status('active').uptimeMs;
  return within(release, paths).some((path) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats === undefined || (stats.isFile() && stats.ctimeMs > startedAt);
  });
}
