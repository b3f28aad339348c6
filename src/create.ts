/** The composition root: the only place where the core, its telemetry and its clocks meet. */
import { checkBuilt, checkEngines, compilesTypes, type Release } from './catalog/release.ts';
import { scanCatalog } from './catalog/catalog.ts';
import { isChameleonError, type ChameleonError } from './errors.ts';
import { resolveOptions } from './options.ts';
import { planStart, type StartPlan } from './supervision/start-plan.ts';
import { Supervisor } from './supervision/supervisor.ts';
import { logTo } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { warnOfFailedStarts } from './telemetry/unheard.ts';
import type { SupervisorOptions } from './types.ts';
import { ownPackage } from './util/own-package.ts';
import { checkHost } from './host.ts';

/** The version of this package. */
export const VERSION: string = ownPackage()?.version ?? 'unknown';

/**
 * Starts a supervisor: resolves once every plugin of `pluginDir` that `waitFor` names is ready, or its first start has failed. Throws
 * `ConfigInvalidError`, `PluginNotFoundError` for a name in `waitFor` that no plugin has, and with `strict` the first error of a plugin.
 * It installs no signal handlers and prints nothing; without a logger it gives a process warning for each plugin that could not be started.
 */
export async function createSupervisor(options: SupervisorOptions = {}): Promise<Supervisor> {
  const resolved = resolveOptions(options);
  checkHost(resolved);
  const telemetry = resolved.metrics ? new Metrics() : null;
  const supervisor = new Supervisor({ options: resolved, version: VERSION, telemetry, random: Math.random });
  if (telemetry !== null) supervisor.on('woken', ({ plugin, version, wakingMs }) => telemetry.woken(plugin, version, wakingMs));
  if (resolved.logger !== null) supervisor.on('event', logTo(resolved.logger, resolved.logLevel));
  const warn = resolved.logger === null && !resolved.strict ? warnOfFailedStarts() : null;
  if (warn !== null) supervisor.on('event', warn);
  await supervisor.start();
  // Once the first starts are over, whoever asks for a start hears how it ended.
  if (warn !== null) void supervisor.whenStarted().then(() => supervisor.off('event', warn));
  return supervisor;
}

/** What a supervisor with these options would start of its plugin folder, and what keeps it from that. Throws `ConfigInvalidError`. */
export async function planPlugins(options: SupervisorOptions & { pluginDir: string }): Promise<StartPlan> {
  return planStart(resolveOptions(options), options.pluginDir, VERSION);
}

export interface PluginListing {
  plugins: { name: string; version: string; dir: string; methods: string[] }[];
  refused: { path: string; error: ChameleonError }[];
}

/** What a plugin folder holds, with every reason why something in it cannot be run. Starts nothing. */
export async function scanPlugins(pluginDir: string): Promise<PluginListing> {
  const catalog = await scanCatalog(pluginDir);
  const listing: PluginListing = { plugins: [], refused: [...catalog.refused] };
  for (const release of [...catalog.releases.values()].flat()) {
    const error = unfit(release);
    if (error !== null) listing.refused.push({ path: release.dir, error });
    else listing.plugins.push({ name: release.name, version: release.version, dir: release.dir, methods: Object.keys(release.manifest.methods) });
  }
  return listing;
}

function unfit(release: Release): ChameleonError | null {
  try {
    if (!compilesTypes) checkBuilt(release);
    checkEngines(release, { chameleon: VERSION, node: release.entry === null ? null : process.versions.node });
    return null;
  } catch (error) {
    if (isChameleonError(error)) return error;
    throw error;
  }
}
