/**
 * What is configured, what is installed and what is remembered → what should run, and the steps from what runs to that.
 *
 * 1. A plugin that is refused, or fails to start, keeps no other from running.
 * 2. What could not be changed serves on as it was.
 */
import { existsSync, statSync } from 'node:fs';
import { sep } from 'node:path';
import type { Catalog } from '../catalog/catalog.ts';
import { highestSatisfying } from '../catalog/reference.ts';
import type { Release } from '../catalog/release.ts';
import { VersionNotFoundError, type ChameleonError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { resolvePluginOptions, type ResolvedOptions, type ResolvedPluginOptions } from '../options.ts';
import { EventWindow } from '../resilience/window.ts';
import type { Deployment } from './deployment.ts';
import type { Roster } from './roster.ts';
import { dateNow, performance } from '../util/timers.ts';

/** What became of following new options. */
export interface ReconfigureReport {
  changed: string[];
  failed: { plugin: string; error: ChameleonError }[];
}

/** Reloads of one version that the watcher may ask for within a minute. */
const MAX_RELOADS = 5;
const RELOADS_WINDOW_MS = 60_000;
const NOTHING: Catalog = { releases: new Map(), refused: [] };

export class Reconciler {
  readonly #roster: Roster;
  readonly #emit: Emit;
  /** Reloads of each version that the watcher asked for. */
  readonly #reloads = new Map<string, { window: EventWindow; isStopped: boolean }>();
  /** The folders of releases as they were seen last: another one may have taken the place of one. */
  #folders: ReadonlyMap<string, string> = new Map();
  /** Those of the last look that are other folders under the same path. */
  #replaced: ReadonlySet<string> = new Set();

  constructor(roster: Roster, emit: Emit) {
    this.#roster = roster;
    this.#emit = emit;
  }

  get options(): ResolvedOptions {
    return this.#roster.options;
  }

  /** Starts what the plugin folder holds. Resolves once each plugin takes calls or is refused, with what comes of the first starts. */
  async begin(): Promise<{ refused: ChameleonError[]; started: Map<string, Promise<ChameleonError[]>> }> {
    const catalog = await this.#scan();
    const refused = catalog.refused.map(({ error }) => error);
    const started = new Map<string, Promise<ChameleonError[]>>();
    await Promise.all(
      [...catalog.releases].map(async ([name, releases]) => {
        const first = await this.#first(name, releases);
        refused.push(...first.refused);
        started.set(name, first.started);
      }),
    );
    return { refused, started };
  }

  /** Makes what runs follow `options` and the plugin folder as they are now. */
  async follow(options: ResolvedOptions): Promise<ReconfigureReport> {
    this.#roster.follow(options);
    this.#reloads.clear();
    return this.#reconcile(await this.#scan());
  }

  /** The same for a plugin folder in which these paths have changed: versions that changed under what runs get a fresh child. */
  async refresh(paths: ReadonlySet<string>): Promise<void> {
    const { memory, plugins } = this.#roster;
    const catalog = await this.#scan();
    // What has failed may have been mended.
    for (const release of [...catalog.releases.values()].flat())
      if (within(release, paths).length > 0 && memory.of(release.name).failed.includes(release.version) && this.#mayReload(release, paths))
        memory.reconsider(release.name, release.version);
    const before = new Map([...plugins.values()].map((plugin) => [plugin, plugin.active]));
    await this.#reconcile(catalog);
    const stale = [...before].filter(([plugin, active]) => active !== null && active === plugin.active && isStale(active, paths, catalog));
    // Whoever wants to know why one did not succeed has heard it by an event.
    const due = stale.filter(([, active]) => this.#mayReload(active!.release, paths));
    await Promise.all(due.map(([plugin]) => this.#roster.reload(plugin.name, {}).catch(() => {})));
  }

  /** False for one that was reloaded too often: it most likely writes the file itself, and would be reloaded for ever. */
  #mayReload(release: Release, paths: ReadonlySet<string>): boolean {
    const key = `${release.name}@${release.version}`;
    const reloads = this.#reloads.get(key) ?? { window: new EventWindow(MAX_RELOADS + 1, RELOADS_WINDOW_MS), isStopped: false };
    this.#reloads.set(key, reloads);
    if (reloads.isStopped) return false;
    if (!reloads.window.add(performance.now())) return true;
    reloads.isStopped = true;
    const file = within(release, paths)[0] ?? release.dir;
    const message = `${key} was reloaded ${MAX_RELOADS} times within a minute, and ${file} has changed again: it is not reloaded for its files any more`;
    this.#emit({ kind: 'watch-failed', message: `${message}. Let it write elsewhere, or reconfigure to begin anew` });
    return false;
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
      const { refused, started } = await this.#first(name, releases);
      const [error] = [...refused, ...(await started)];
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
    const isSame =
      wanted.version === active?.version && !this.#isReplaced(active, wanted) && JSON.stringify(options) === JSON.stringify(plugin.options);
    if (isSame && plugin.hasPinned(pinned)) return false;
    if (!isSame) await roster.rollOut(plugin, () => roster.checked(wanted, options), options, {});
    await plugin.pinOnly(await Promise.all(pinned.map((release) => roster.checked(release, options))));
    return true;
  }

  /** Starts the active version and the pinned ones of a plugin that is not there yet. Resolves once it takes calls, or is refused. */
  async #first(name: string, releases: readonly Release[]): Promise<FirstStart> {
    const roster = this.#roster;
    const options = resolvePluginOptions(roster.options, name);
    if (!options.enabled || releases.length === 0) return NOTHING_TO_START;
    const { held, previous, pinned } = roster.memory.of(name);
    const active = this.#choose(name, releases, options);
    if (active === undefined) {
      const versions = releases.map(({ version }) => version);
      return refusedStart(this.#refuse(releases[0]!.dir, new VersionNotFoundError(name, options.version, versions)));
    }
    const again = releases.filter((release) => pinned.includes(release.version) && release !== active);
    const pins = [...new Set([...pinnedOf(releases, options, active), ...again])];
    const [refusal, ...refusals] = await Promise.all([active, ...pins].map((release) => this.#unfit(release, options)));
    if (refusal !== null) return refusedStart(this.#refuse(active.dir, refusal!));
    // Somebody else was faster while it was checked.
    if (roster.plugins.has(name)) return NOTHING_TO_START;
    const plugin = roster.add(name, options);
    const before = releases.find(({ version }) => version === (held ?? previous));
    if (before !== undefined) plugin.remember(before);
    const starts = [plugin.activate(active)];
    const refused: ChameleonError[] = [];
    for (const [i, release] of pins.entries()) {
      const error = refusals[i];
      if (!error) starts.push(plugin.pin(release));
      else {
        plugin.fleet.refused.set(release.version, error);
        refused.push(this.#refuse(release.dir, error));
      }
    }
    const started = Promise.allSettled(starts).then((results) =>
      results.flatMap((result) => (result.status === 'rejected' ? [result.reason as ChameleonError] : [])),
    );
    return { refused, started };
  }

  /** Why the release may not be started; null when it may. */
  async #unfit(release: Release, options: ResolvedPluginOptions): Promise<ChameleonError | null> {
    try {
      await this.#roster.checked(release, options);
      return null;
    } catch (error) {
      return error as ChameleonError;
    }
  }

  /** Whether the same version is in another folder now. One that was loaded from elsewhere stays. */
  #isReplaced(active: Release, wanted: Release): boolean {
    if (!this.#roster.isInstalled(active)) return false;
    return active.dir !== wanted.dir || this.#replaced.has(active.dir);
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
    const catalog = pluginDir === null ? NOTHING : await this.#roster.scan(pluginDir);
    this.#see(catalog);
    const before = new Set(this.#roster.refused.map(({ path, error }) => `${path} ${error.message}`));
    this.#roster.refused = [];
    // A mistake that is still there is not news.
    for (const { path, error } of catalog.refused) this.#refuse(path, error, !before.has(`${path} ${error.message}`));
    return catalog;
  }

  #see({ releases }: Catalog): void {
    const folders = new Map<string, string>();
    for (const { dir } of [...releases.values()].flat()) {
      const stats = statSync(dir, { throwIfNoEntry: false });
      if (stats !== undefined) folders.set(dir, `${stats.dev} ${stats.ino}`);
    }
    this.#replaced = new Set([...folders].filter(([dir, id]) => (this.#folders.get(dir) ?? id) !== id).map(([dir]) => dir));
    this.#folders = folders;
  }

  #refuse(path: string, error: ChameleonError, isNew = true): ChameleonError {
    this.#roster.refused = [...this.#roster.refused, { path, error }];
    if (isNew) this.#emit({ kind: 'plugin-refused', path, error });
    return error;
  }
}

/** What keeps a plugin from being started, and what comes of the starts that were begun. */
interface FirstStart {
  refused: ChameleonError[];
  started: Promise<ChameleonError[]>;
}

const NOTHING_TO_START: FirstStart = { refused: [], started: Promise.resolve([]) };
const refusedStart = (error: ChameleonError): FirstStart => ({ refused: [error], started: Promise.resolve([]) });

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
  const startedAt = dateNow() - deployment.status('active').uptimeMs;
  return within(release, paths).some((path) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats === undefined || (stats.isFile() && stats.ctimeMs > startedAt);
  });
}
