/**
 * A plugin as its author has it: a folder with a package.json whose entry may be TypeScript. Reads, and changes nothing.
 */
import { realpath, stat } from 'node:fs/promises';
import { extname, join, posix, resolve } from 'node:path';
import { MAX_MANIFEST_BYTES, parseManifest, type Manifest } from '../catalog/manifest.ts';
import { describeFsError } from '../catalog/release.ts';
import { ManifestInvalidError } from '../errors.ts';
import { readRegularFile } from '../util/read-file.ts';

export interface Project {
  /** Absolute and real. */
  readonly dir: string;
  readonly manifest: Manifest;
  /** The whole package.json. */
  readonly json: Readonly<Record<string, unknown>>;
  /** The module that is the plugin, as it was written; null for a plugin that is a command. Relative, with slashes. */
  readonly source: string | null;
  /** Packages that its author leaves outside of the bundle: `chameleon.external`. */
  readonly external: readonly string[];
}

/** Throws `ManifestInvalidError`. */
export async function readProject(dir: string): Promise<Project> {
  const { root, text } = await readManifest(resolve(dir));
  const file = join(root, 'package.json');
  const manifest = parseManifest(file, text);
  const json = JSON.parse(text) as Record<string, unknown>;
  const external = (json.chameleon as { external?: string[] } | undefined)?.external ?? [];
  if (manifest.entry === null) return { dir: root, manifest, json, source: null, external };
  for (const candidate of candidates(posix.normalize(manifest.entry))) {
    if (await isFile(join(root, candidate))) return { dir: root, manifest, json, source: candidate, external };
  }
  const message = `${JSON.stringify(manifest.entry)} is not there; name the source of the plugin, such as "index.ts"`;
  throw new ManifestInvalidError(file, [{ path: 'main', message }], { plugin: manifest.name, version: manifest.version });
}

/** Where the bundle of this source stands in its package: where the source stood, so that files beside it are found as before. */
export function bundlePath(source: string): string {
  return `${source.slice(0, -extname(source).length)}.js`;
}

/** Names of the packages that npm installs for the plugin, those for development left out. */
export function declaredDependencies(json: Project['json']): string[] {
  return Object.keys({ ...(json.dependencies as object | undefined), ...(json.optionalDependencies as object | undefined) });
}

export function isTypeScript(source: string): boolean {
  return /\.[cm]?ts$/.test(source);
}

async function readManifest(dir: string): Promise<{ root: string; text: string }> {
  try {
    const root = await realpath(dir);
    return { root, text: await readRegularFile(join(root, 'package.json'), { maxBytes: MAX_MANIFEST_BYTES }) };
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
