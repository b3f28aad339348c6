/**
 * What is to be installed: a folder, an archive, or a version that a registry has; and the archive that each of them comes to.
 * A folder goes the way of the others: what `npm pack` would publish is what is installed.
 */
import { copyFile, lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { checkBuilt, describeFsError, readRelease } from '../catalog/release.ts';
import { isPluginName, isVersion, shown } from '../util/naming.ts';
import { Refused } from './entry-path.ts';
import { npm, type NpmRun } from './npm.ts';

export type Source = { kind: 'folder'; path: string } | { kind: 'archive'; path: string } | { kind: 'registry'; name: string; version: string };

/** `NAME@VERSION` always means the registry; a path that looks so is written `./NAME@VERSION`. Throws `Refused`. */
export async function resolveSource(given: string): Promise<Source> {
  const at = given.lastIndexOf('@');
  const [name, version] = [given.slice(0, at), given.slice(at + 1)];
  if (at > 0 && isPluginName(name) && isVersion(version)) return { kind: 'registry', name, version };
  if (/^[a-z][a-z0-9+.-]+:/i.test(given)) throw new Refused('is an address; fetch it first, or name NAME@VERSION of a registry');
  const path = resolve(given);
  const stats = await stat(path).catch((error: unknown) => Promise.reject(new Refused(missing(given, at > 0, error))));
  if (stats.isDirectory()) return { kind: 'folder', path };
  if (stats.isFile()) return { kind: 'archive', path };
  throw new Refused('is neither a folder nor an archive');
}

function missing(given: string, hasVersion: boolean, error: unknown): string {
  if (hasVersion && !given.startsWith('.') && !isAbsolute(given)) {
    return `is no NAME@VERSION: the version has to be exact, such as ${shown(`${given.slice(0, given.lastIndexOf('@'))}@1.0.0`)}; nor is it a path, which ${describeFsError(error)}`;
  }
  const asName = isPluginName(given) ? '; to have it from a registry, name the version too: NAME@VERSION' : '';
  return `${describeFsError(error)}${asName}`;
}

/** The archive, fetched or packed into `dir` where it is not there already. Throws `ManifestInvalidError` for a folder that is no plugin. */
export async function archiveOf(source: Source, dir: string, run: Omit<NpmRun, 'cwd'>): Promise<string> {
  if (source.kind === 'archive') return source.path;
  if (source.kind === 'folder') checkBuilt(await readRelease(source.path));
  await mkdir(dir);
  const what = source.kind === 'folder' ? source.path : `${source.name}@${source.version}`;
  await npm(['pack', what, `--pack-destination=${dir}`, '--dry-run=false'], { ...run, cwd: dir });
  const packed = (await readdir(dir)).find((file) => file.endsWith('.tgz'));
  if (packed === undefined) throw new Refused('was packed by npm, which then left no archive');
  return join(dir, packed);
}

/** npm leaves the lockfile out of what it packs; for a folder it is there, and is what the dependencies are installed by. */
export async function takeLockfile(source: Source, dir: string): Promise<void> {
  if (source.kind !== 'folder') return;
  const lockfile = join(source.path, 'package-lock.json');
  const isThere = (file: string): Promise<boolean> => lstat(file).then((stats) => stats.isFile(), () => false); // prettier-ignore
  if (!(await isThere(lockfile)) || (await isThere(join(dir, 'npm-shrinkwrap.json')))) return;
  await copyFile(lockfile, join(dir, 'package-lock.json'));
}
