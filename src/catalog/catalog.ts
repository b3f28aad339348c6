/**
 * The plugin folder → the releases in it and, each with its reason, what was refused. One bad plugin never hides a good one.
 *
 * Layouts: `<name>/`, `<name>/<version>/`, `@scope/<name>/…`. Plain files, names that begin with a dot and `node_modules` are not looked at.
 * 1. Nothing outside the plugin folder is read: a linked folder is refused, wherever it leads (`load()` takes it by its own path).
 * 2. A version is listed once; a second folder that claims it is refused.
 */
import type { Dirent } from 'node:fs';
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import compare from 'semver/functions/rcompare.js';
import { type ChameleonError, ConfigInvalidError, isChameleonError, ManifestInvalidError } from '../errors.ts';
import { isPluginName, isVersion, NAME_RULE, shown, VERSION_RULE } from '../util/naming.ts';
import { describeFsError, readRelease, type Release } from './release.ts';

export interface Catalog {
  /** By plugin name, the highest version first. */
  readonly releases: ReadonlyMap<string, readonly Release[]>;
  readonly refused: readonly { path: string; error: ChameleonError }[];
}

/** Throws `ConfigInvalidError` when `pluginDir` itself cannot be read; everything below it is refused one by one. */
export async function scanCatalog(pluginDir: string): Promise<Catalog> {
  const releases = new Map<string, Release[]>();
  const refused: { path: string; error: ChameleonError }[] = [];
  const refuse: Refuse = (path, what, message) => {
    refused.push({ path, error: new ManifestInvalidError(path, [{ path: what, message }]) });
  };
  const take = async (dir: string, expected: { name: string; version?: string }): Promise<void> => {
    try {
      const release = await readRelease(dir, expected);
      const others = releases.get(release.name) ?? [];
      const twin = others.find(({ version }) => version === release.version);
      if (twin !== undefined) return refuse(dir, 'version', `${release.version} is in ${twin.dir} already; remove one of the two`);
      releases.set(
        release.name,
        [...others, release].sort((a, b) => compare(a.version, b.version)),
      );
    } catch (error) {
      if (!isChameleonError(error)) throw error;
      refused.push({ path: dir, error });
    }
  };

  const root = await rootFolder(pluginDir);
  for (const { name, path } of await pluginFolders(root, refuse)) {
    if (!isPluginName(name)) {
      refuse(path, 'name', `expected ${NAME_RULE}, got ${shown(name)}`);
      continue;
    }
    const single = await exists(join(path, 'package.json'));
    if (single) await take(path, { name });
    const inside = await folders(path, refuse, single);
    // Beside a package.json, folders are the plugin's own affair unless they are named as versions.
    for (const folder of inside) {
      if (isVersion(folder.name)) await take(folder.path, { name, version: folder.name });
      else if (!single) refuse(folder.path, 'version', `expected a folder named for ${VERSION_RULE}, got ${shown(folder.name)}`);
    }
    if (!single && inside.length === 0) refuse(path, '', 'holds neither a package.json nor folders of versions');
  }
  return { releases, refused };
}

type Refuse = (path: string, what: string, message: string) => void;
interface Folder {
  name: string;
  path: string;
}

async function rootFolder(pluginDir: string): Promise<string> {
  try {
    const root = await realpath(resolve(pluginDir));
    await readdir(root);
    return root;
  } catch (error) {
    throw new ConfigInvalidError([{ path: 'pluginDir', message: `${shown(pluginDir)} ${describeFsError(error)}` }]);
  }
}

async function pluginFolders(root: string, refuse: Refuse): Promise<Folder[]> {
  const found: Folder[] = [];
  for (const folder of await folders(root, refuse)) {
    if (!folder.name.startsWith('@')) found.push(folder);
    else for (const inner of await folders(folder.path, refuse)) found.push({ name: `${folder.name}/${inner.name}`, path: inner.path });
  }
  return found;
}

/** The folders in `dir`, by name; `quiet` leaves out links without a word. */
async function folders(dir: string, refuse: Refuse, quiet = false): Promise<Folder[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(dir, { withFileTypes: true });
  } catch (error) {
    refuse(dir, '', describeFsError(error));
    return [];
  }
  const found: Folder[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = join(dir, entry.name);
    if (entry.isDirectory()) found.push({ name: entry.name, path });
    else if (entry.isSymbolicLink() && !quiet) refuse(path, '', 'is a link; put the folder itself there, or load() it by its own path');
  }
  return found;
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
