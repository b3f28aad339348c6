/**
 * A plugin as its author has it: a folder with a package.json whose entry may be TypeScript. Reads, and changes nothing.
 */
import { readFile, realpath, stat } from 'node:fs/promises';
import { extname, join, posix, resolve } from 'node:path';
import { parseManifest, type Manifest } from '../catalog/manifest.ts';
import { describeFsError } from '../catalog/release.ts';
import { ManifestInvalidError } from '../errors.ts';

export interface Project {
  /** Absolute and real. */
  readonly dir: string;
  readonly manifest: Manifest;
  /** The whole package.json. */
  readonly json: Readonly<Record<string, unknown>>;
  /** The module that is the plugin, as it was written; null for a plugin that is a command. Relative, with slashes. */
  readonly source: string | null;
}

/** Throws `ManifestInvalidError`. */
export async function readProject(dir: string): Promise<Project> {
  const { root, text } = await readManifest(resolve(dir));
  const file = join(root, 'package.json');
  const manifest = parseManifest(file, text);
  const json = JSON.parse(text) as Record<string, unknown>;
  if (manifest.entry === null) return { dir: root, manifest, json, source: null };
  for (const candidate of candidates(posix.normalize(manifest.entry))) {
    if (await isFile(join(root, candidate))) return { dir: root, manifest, json, source: candidate };
  }
  const message = `${JSON.stringify(manifest.entry)} is not there; name the source of the plugin, such as "index.ts"`;
  throw new ManifestInvalidError(file, [{ path: 'main', message }], { plugin: manifest.name, version: manifest.version });
}

/** Where the bundle of this source stands in its package: where the source stood, so that files beside it are found as before. */
export function bundlePath(source: string): string {
  return `${source.slice(0, -extname(source).length)}.js`;
}

export function isTypeScript(source: string): boolean {
  return /\.[cm]?ts$/.test(source);
}

async function readManifest(dir: string): Promise<{ root: string; text: string }> {
  try {
    const root = await realpath(dir);
    return { root, text: await readFile(join(root, 'package.json'), 'utf8') };
  } catch (error) {
    const message = `${describeFsError(error)}; \`chameleon-supervisor init\` makes a plugin`;
    throw new ManifestInvalidError(join(dir, 'package.json'), [{ path: '', message }]);
  }
}

/** What Node tries for a `main`, and for what is not built yet its source. */
function candidates(entry: string): string[] {
  const typed = entry.replace(/\.([cm]?)js$/, '.$1ts');
  return [entry, typed, `${entry}.ts`, `${entry}.js`, posix.join(entry, 'index.ts'), posix.join(entry, 'index.js')];
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
