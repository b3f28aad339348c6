/**
 * One version on disk: a folder → a frozen release, or every reason why it cannot be run. Reads the package.json and nothing else.
 *
 * 1. Every path of a release is a real path inside its own folder: a symbolic link that leads out of it is refused, never followed.
 * 2. Only regular files of a bounded size are opened: a named pipe called package.json stops nobody.
 */
import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import satisfies from 'semver/functions/satisfies.js';
import { type Issue, ManifestInvalidError } from '../errors.ts';
import { readRegularFile } from '../util/read-file.ts';
import { type Manifest, MAX_MANIFEST_BYTES, parseManifest } from './manifest.ts';

export interface Release {
  readonly name: string;
  readonly version: string;
  /** Absolute and real: no link is left in it. */
  readonly dir: string;
  /** The plugin's module, absolute and real; null for a plugin that is a command. */
  readonly entry: string | null;
  readonly manifest: Manifest;
}

/** `expected` is what the folder's own name promises. Throws `ManifestInvalidError`. */
export async function readRelease(dir: string, expected: { name?: string; version?: string } = {}): Promise<Release> {
  const root = await realFolder(dir);
  const file = join(root, 'package.json');
  const manifest = parseManifest(file, await readManifest(root, file));
  const { name, version } = manifest;
  const issues: Issue[] = [];
  const agree = (path: 'name' | 'version', found: string): void => {
    const folder = expected[path];
    if (folder === undefined || folder === found) return;
    issues.push({ path, message: `the folder says ${JSON.stringify(folder)}, package.json says ${JSON.stringify(found)}; rename one of them` });
  };
  agree('name', name);
  agree('version', version);
  const entry = manifest.entry === null ? null : await findEntry(root, manifest.entry, manifest.isExported === true, issues);
  if (issues.length > 0) throw new ManifestInvalidError(file, issues, { plugin: name, version });
  return Object.freeze({ name, version, dir: root, entry, manifest });
}

/**
 * Throws `ManifestInvalidError` unless the release's `engines` admit these versions; a null `node` (no Node runs this plugin) is not held against any range.
 * A pre-release counts as the version it leads to: who runs Chameleon 2.0.0-rc.1 or a nightly Node means to try it.
 */
export function checkEngines(release: Release, engines: { chameleon: string; node: string | null }): void {
  const issues: Issue[] = [];
  for (const [engine, title] of [
    ['chameleon', 'Chameleon'],
    ['node', 'Node'],
  ] as const) {
    const [range, version] = [release.manifest.engines[engine], engines[engine]];
    if (range === null || version === null || satisfies(version, range, { includePrerelease: true })) continue;
    issues.push({
      path: `engines.${engine}`,
      message: `this is ${title} ${version}, the plugin asks for ${range}; take a version of either that fits`,
    });
  }
  if (issues.length > 0)
    throw new ManifestInvalidError(join(release.dir, 'package.json'), issues, { plugin: release.name, version: release.version });
}

/** Newer Nodes run TypeScript whose types they can leave out. */
export const compilesTypes = Boolean((process.features as { typescript?: unknown }).typescript);

/** Throws `ManifestInvalidError` for an entry in TypeScript or JSX, which no Node runs in every place that a version may come to. */
export function checkBuilt(release: Release): void {
  const { entry, manifest } = release;
  if (entry === null || !/\.(?:[cm]?ts|[cm]?tsx|jsx)$/.test(entry)) return;
  const message = `${JSON.stringify(manifest.entry)} is source that Node does not run: build it first (chameleon-supervisor build), and take the archive`;
  throw new ManifestInvalidError(join(release.dir, 'package.json'), [{ path: 'main', message }], { plugin: release.name, version: release.version });
}

async function realFolder(dir: string): Promise<string> {
  try {
    if (dir === '') throw new Error('no folder was named');
    const root = await realpath(resolve(dir));
    if (!(await stat(root)).isDirectory()) throw new Error('is a file; name the folder that holds the package.json');
    return root;
  } catch (error) {
    throw new ManifestInvalidError(dir, [{ path: '', message: describeFsError(error) }]);
  }
}

async function readManifest(root: string, file: string): Promise<string> {
  const refused = (message: string): ManifestInvalidError => new ManifestInvalidError(file, [{ path: '', message }]);
  const found = await look(root, file);
  switch (found.kind) {
    case 'file':
      return readRegularFile(found.path, { maxBytes: MAX_MANIFEST_BYTES }).catch((error: unknown) => Promise.reject(refused(describeFsError(error))));
    case 'outside':
      throw refused('is a link that leads out of the folder; put the file itself there');
    case 'other':
      throw refused('is not a regular file');
    case 'missing':
      throw refused(found.reason);
  }
}

/** Endings that Node tries for a `main`, and then for an index. */
const ENDINGS = ['.js', '.json', '.node'];

/** Tries what Node tries when it imports the package: for `exports` the file that it names, for a `main` others too, and an index at last. */
async function findEntry(root: string, declared: string, isExported: boolean, issues: Issue[]): Promise<string | null> {
  const path = isExported ? 'exports' : 'main';
  const indexes = ENDINGS.map((ending) => `index${ending}`);
  const others = [...ENDINGS.map((ending) => `${declared}${ending}`), ...indexes.map((index) => join(declared, index)), ...indexes];
  for (const candidate of [declared, ...(isExported ? [] : others)]) {
    const found = await look(root, join(root, candidate));
    if (found.kind === 'file') return found.path;
    if (found.kind === 'outside') {
      issues.push({ path, message: `${JSON.stringify(declared)} is a link that leads out of the folder; put the file itself there` });
      return null;
    }
  }
  issues.push({ path, message: `${JSON.stringify(declared)} is not there; build the plugin, or correct "main" or "exports"` });
  return null;
}

type Found = { kind: 'file'; path: string } | { kind: 'outside' } | { kind: 'other' } | { kind: 'missing'; reason: string };

async function look(root: string, path: string): Promise<Found> {
  try {
    const real = await realpath(path);
    const inside = relative(root, real);
    if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return { kind: 'outside' };
    const stats = await stat(real);
    return stats.isFile() ? { kind: 'file', path: real } : { kind: 'other' };
  } catch (error) {
    return { kind: 'missing', reason: describeFsError(error) };
  }
}

/** The system's word for it, without the path that the error names already. */
export function describeFsError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return 'is not there';
    case 'ENOTDIR':
      return 'is not a folder';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this user';
    case 'ELOOP':
      return 'is a link that leads back to itself';
    default:
      return message;
  }
}
