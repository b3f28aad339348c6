/** What a supervisor would start of its plugin folder, and everything that keeps something from being started. Starts and changes nothing. */
import { join } from 'node:path';
import { scanCatalog } from '../catalog/catalog.ts';
import { highestSatisfying } from '../catalog/reference.ts';
import { checkBuilt, compilesTypes, type Release } from '../catalog/release.ts';
import { isChameleonError, PluginNotFoundError, VersionNotFoundError, type ChameleonError } from '../errors.ts';
import { resolvePluginOptions, type ResolvedOptions } from '../options.ts';
import { Memory } from '../state/memory.ts';
import { StateFile } from '../state/state-file.ts';
import { checkRelease } from './check-release.ts';
import { StrictModes } from './strict-modes.ts';

export interface PlannedVersion {
  name: string;
  version: string;
  dir: string;
  /** The methods that package.json declares. */
  methods: string[];
  /** As what it would be started; null for a version that only lies there. */
  start: 'active' | 'pinned' | null;
}

export interface StartPlan {
  plugins: PlannedVersion[];
  refused: { path: string; error: ChameleonError }[];
  /** Folders that other users could change, without `strictModes`: one sentence each, as in the log. */
  warnings: string[];
}

/** `version` is that of this package, for `engines.chameleon`. Throws `ConfigInvalidError` when the plugin folder cannot be read. */
export async function planStart(options: ResolvedOptions, pluginDir: string, version: string): Promise<StartPlan> {
  const warnings: string[] = [];
  const modes = new StrictModes(
    () => options.strictModes,
    (event) => event.kind === 'folder-exposed' && warnings.push(event.message),
  );
  const { releases, refused } = await modes.judge(await scanCatalog(pluginDir), pluginDir);
  const memory = new Memory(options.stateDir === null ? new Map() : await new StateFile(options.stateDir).peek(), null, () => {});
  const plan: StartPlan = { plugins: [], refused: [...refused], warnings };
  const refuse = (path: string, error: unknown): void => {
    if (!isChameleonError(error)) throw error;
    plan.refused.push({ path, error });
  };

  for (const [name, versions] of releases) {
    const { enabled, version: range, pin, onDemand, nodePath } = resolvePluginOptions(options, name);
    const active = enabled ? memory.choose(name, versions, range) : undefined;
    const unmet = (wanted: string): void => refuse(join(pluginDir, name), new VersionNotFoundError(name, wanted, versions.map((each) => each.version))); // prettier-ignore
    if (enabled && active === undefined) unmet(range);
    const pinned = new Set<Release | undefined>(versions.filter((each) => memory.of(name).pinned.includes(each.version)));
    for (const wanted of enabled ? pin : []) {
      const found = highestSatisfying(versions, wanted);
      if (found === undefined) unmet(wanted);
      pinned.add(found);
    }
    for (const release of versions) {
      const start = release === active ? 'active' : active !== undefined && pinned.has(release) ? 'pinned' : null;
      try {
        if (!compilesTypes) checkBuilt(release);
        if (start !== null || (enabled && onDemand)) await checkRelease(release, { nodePath, version, modes });
        plan.plugins.push({ name, version: release.version, dir: release.dir, methods: Object.keys(release.manifest.methods), start });
      } catch (error) {
        refuse(release.dir, error);
      }
    }
  }

  const configured = [...options.plugins].filter(([, plugin]) => plugin.enabled !== false).map(([name]) => name);
  for (const name of new Set([...configured, ...(typeof options.waitFor === 'string' ? [] : options.waitFor)])) {
    const folder = join(pluginDir, name);
    // What is there and was refused has its reason already.
    const isRefused = refused.some(({ path }) => path.includes(`/${name}/`) || path.endsWith(`/${name}`));
    if (!releases.has(name) && !isRefused) refuse(folder, new PluginNotFoundError(name, [...releases.keys()]));
  }
  return plan;
}
