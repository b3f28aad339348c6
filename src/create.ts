/** The composition root: the only place where the core, its telemetry and its clocks meet. */
import { createRequire } from 'node:module';
import { checkEngines, type Release } from './catalog/release.ts';
import { scanCatalog } from './catalog/catalog.ts';
import { isChameleonError, type ChameleonError } from './errors.ts';
import { resolveOptions } from './options.ts';
import { Supervisor } from './supervision/supervisor.ts';
import { logTo } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import type { SupervisorOptions } from './types.ts';

/** The version of this package. */
export const VERSION: string = (createRequire(import.meta.url)('chameleon-supervisor/package.json') as { version: string }).version;

/**
 * Starts a supervisor: resolves once every plugin of `pluginDir` is ready, or its first start has failed. Throws `ConfigInvalidError`,
 * and with `strict` the first error of a plugin. It installs no signal handlers and prints nothing.
 */
export async function createSupervisor(options: SupervisorOptions = {}): Promise<Supervisor> {
  const resolved = resolveOptions(options);
  const telemetry = resolved.metrics ? new Metrics() : null;
  const supervisor = new Supervisor({ options: resolved, version: VERSION, telemetry, random: Math.random });
  if (telemetry !== null) supervisor.on('woken', ({ plugin, version, wakingMs }) => telemetry.woken(plugin, version, wakingMs));
  if (resolved.logger !== null) supervisor.on('event', logTo(resolved.logger, resolved.logLevel));
  await supervisor.start();
  return supervisor;
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
    checkEngines(release, { chameleon: VERSION, node: release.entry === null ? null : process.versions.node });
    return null;
  } catch (error) {
    if (isChameleonError(error)) return error;
    throw error;
  }
}
