/**
 * The versions that lie under a plugin folder, each in a folder of its own. Goes by the folders' names alone, so that what is damaged is
 * found too; what a version is, the catalog says.
 */
import type { Dirent } from 'node:fs';
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import compare from 'semver/functions/rcompare.js';
import { describeFsError } from '../catalog/release.ts';
import { ConfigInvalidError, PluginNotFoundError, VersionNotFoundError } from '../errors.ts';
import { isPluginName, isVersion, NAME_RULE, shown, VERSION_RULE } from '../util/naming.ts';

export interface Installed {
  plugin: string;
  version: string;
  /** Absolute and real. */
  dir: string;
}

/** By plugin, the highest version first. Throws `ConfigInvalidError` when `pluginDir` cannot be read. */
export async function listInstalled(pluginDir: string): Promise<Map<string, Installed[]>> {
  const root = await realPluginDir(pluginDir);
  const names: string[] = [];
  for (const name of await folders(root)) {
    if (name.startsWith('@')) names.push(...(await folders(join(root, name))).map((inner) => `${name}/${inner}`));
    else names.push(name);
  }
  const found = new Map<string, Installed[]>();
  for (const plugin of names.filter(isPluginName)) {
    const versions = (await folders(join(root, plugin))).filter(isVersion).sort(compare);
    if (versions.length > 0)
      found.set(
        plugin,
        versions.map((version) => ({ plugin, version, dir: join(root, plugin, version) })),
      );
  }
  return found;
}

/** Throws `PluginNotFoundError` or `VersionNotFoundError`, with what there is. */
export async function findInstalled(pluginDir: string, plugin: string, version?: string): Promise<Installed[]> {
  const all = await listInstalled(pluginDir);
  const versions = all.get(plugin);
  if (versions === undefined) throw new PluginNotFoundError(plugin, [...all.keys()]);
  if (version === undefined) return versions;
  const found = versions.filter((each) => each.version === version);
  if (found.length > 0) return found;
  throw new VersionNotFoundError(
    plugin,
    version,
    versions.map((each) => each.version),
  );
}

/** Throws `ConfigInvalidError`. */
export async function realPluginDir(pluginDir: string): Promise<string> {
  const invalid = (message: string): ConfigInvalidError => new ConfigInvalidError([{ path: 'pluginDir', message }]);
  let root: string;
  try {
    root = await realpath(resolve(pluginDir));
  } catch (error) {
    throw invalid(`${shown(pluginDir)} ${describeFsError(error)}`);
  }
  if (!(await lstat(root)).isDirectory()) throw invalid(`${shown(pluginDir)} is not a folder`);
  return root;
}

/** No name that fails here reaches a disk. Throws `ConfigInvalidError`. */
export function checkNames(plugin: unknown, version?: unknown): void {
  if (!isPluginName(plugin)) throw new ConfigInvalidError([{ path: 'name', message: `expected ${NAME_RULE}, got ${shown(plugin)}` }], 'arguments');
  if (version !== undefined && !isVersion(version)) {
    throw new ConfigInvalidError([{ path: 'version', message: `expected ${VERSION_RULE}, got ${shown(version)}` }], 'arguments');
  }
}

async function folders(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((): Dirent[] => []);
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
}
