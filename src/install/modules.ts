/** The packages in a version's `node_modules`, as they lie on the disk. Follows no link. */
import { lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import compareVersions from 'semver/functions/compare-loose.js';
import parseVersion from 'semver/functions/parse.js';
import { parseJson } from '../catalog/json-text.ts';
import { shown } from '../util/naming.ts';
import { Refused } from './entry-path.ts';
import { type Fields, record } from './locked-entry.ts';
import type { Plan } from './lockfile.ts';

const MAX_MANIFEST_BYTES = 16 * 2 ** 20;

/** Places of all packages below `dir`, such as `node_modules/a/node_modules/b`. */
export async function packagesIn(dir: string, holder = ''): Promise<string[]> {
  const places: string[] = [];
  const modules = holder === '' ? 'node_modules' : `${holder}/node_modules`;
  const folders = await foldersIn(join(dir, modules));
  const scoped = await Promise.all(
    folders
      .filter((name) => name.startsWith('@'))
      .map(async (scope) => (await foldersIn(join(dir, modules, scope))).map((name) => `${scope}/${name}`)),
  );
  for (const name of [...folders.filter((each) => !/^[@.]/.test(each)), ...scoped.flat()]) {
    const place = `${modules}/${name}`;
    if (await isFile(join(dir, place, 'package.json'))) places.push(place);
    places.push(...(await packagesIn(dir, place)));
  }
  return places;
}

/** Throws `Refused` unless each planned package is there by its name and version, and no other beside them. */
export async function comparePackages(dir: string, { packages }: Plan): Promise<void> {
  for (const [place, { name, version, optional }] of packages) {
    const manifest = await readManifest(dir, place);
    if (manifest === null) {
      // Not for this platform, or it could not be had: npm goes on without it.
      if (optional) continue;
      throw new Refused(`has a lockfile with ${shown(place)}, which is not there after npm ci`);
    }
    if (manifest['name'] === name && isSameVersion(manifest['version'], version)) continue;
    throw new Refused(
      `has a lockfile with ${shown(`${name}@${version}`)} at ${shown(place)}, and there came ${shown(`${String(manifest['name'])}@${String(manifest['version'])}`)}`,
    );
  }
  for (const place of await packagesIn(dir)) {
    if (packages.has(place) || place.includes('/node_modules/')) continue;
    throw new Refused(`was given ${shown(place)} by npm, which its lockfile does not have`);
  }
}

/** The folder's `node_modules` become `fetched`, if there is one, and those of its own packages that are named. */
export async function mergeModules(dir: string, fetched: string, own: readonly string[], aside: string): Promise<void> {
  const modules = join(dir, 'node_modules');
  const hadOwn = await rename(modules, aside).then(() => true, () => false); // prettier-ignore
  await rename(fetched, modules).catch(() => mkdir(modules));
  if (!hadOwn) return;
  for (const place of own) {
    await mkdir(dirname(join(dir, place)), { recursive: true });
    await rename(join(aside, place.slice('node_modules/'.length)), join(dir, place));
  }
}

/** Removes links to commands, the only links that npm makes here: a version holds none, so that its files are its own. */
export async function removeCommands(modules: string): Promise<void> {
  for (const entry of await readdir(modules, { withFileTypes: true }).catch(() => [])) {
    const path = join(modules, entry.name);
    if (entry.name === '.bin') await rm(path, { recursive: true, force: true });
    else if (entry.isDirectory() && entry.name.startsWith('@')) {
      for (const scoped of await readdir(path)) await removeCommands(join(path, scoped, 'node_modules'));
    } else if (entry.isDirectory()) await removeCommands(join(path, 'node_modules'));
  }
}

/** Null where there is none. Throws `Refused` for one that is not to be read. */
export async function readManifest(dir: string, place: string): Promise<Fields | null> {
  const file = join(dir, place, 'package.json');
  const stats = await lstat(file).catch(() => null);
  if (stats === null) return null;
  if (!stats.isFile() || stats.size > MAX_MANIFEST_BYTES) throw new Refused(`has a package.json in ${shown(place)} that is not read`);
  try {
    return record(parseJson(await readFile(file, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refused(`has a package.json in ${shown(place)} that is not JSON: ${error.message}`);
    throw error;
  }
}

/** Packages write `v1.0.0` and `1.0.0+build` for what their registry calls 1.0.0. */
function isSameVersion(found: unknown, expected: string): boolean {
  return typeof found === 'string' && parseVersion(found, { loose: true }) !== null && compareVersions(found, expected) === 0;
}

async function foldersIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

export const isFile = (path: string): Promise<boolean> =>
  lstat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
