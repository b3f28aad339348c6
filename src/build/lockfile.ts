/**
 * The author's package-lock.json: the plugin's own, or that of the npm workspaces that the plugin is part of. Reads it, and finds in it where
 * a package is installed and whether it can be installed from there on another machine.
 */
import { dirname, join, relative, sep } from 'node:path';
import type { Issue } from '../errors.ts';
import { readRegularFile } from '../util/read-file.ts';

const MAX_BYTES = 64 * 2 ** 20;

export interface Locked {
  /** The real name of a package that is installed under an alias. */
  name?: string;
  version?: string;
  link?: boolean;
  resolved?: string;
  integrity?: string;
  inBundle?: boolean;
  hasShrinkwrap?: boolean;
  hasInstallScript?: boolean;
  optional?: boolean;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}
type Packages = Readonly<Record<string, Locked>>;

export interface Lockfile {
  /** The folder that it stands in. */
  readonly root: string;
  /** The plugin's own place in it: empty, or such as `packages/shop` in a workspace. */
  readonly base: string;
  readonly packages: Packages;
}

/** Null where there is none, or one from before npm 7. */
export async function readLockfile(dir: string): Promise<Lockfile | null> {
  // npm uses the one of the workspaces, whatever else a part of them has.
  for (let root = dirname(dir); root !== dirname(root); root = dirname(root)) {
    const packages = await readPackages(root);
    const base = relative(root, dir).split(sep).join('/');
    if (packages !== null && Object.hasOwn(packages, base)) return { root, base, packages };
  }
  const packages = await readPackages(dir);
  return packages === null ? null : { root: dir, base: '', packages };
}

async function readPackages(dir: string): Promise<Packages | null> {
  try {
    const { packages } = JSON.parse(await readRegularFile(join(dir, 'package-lock.json'), { maxBytes: MAX_BYTES })) as { packages?: Packages };
    return packages ?? null;
  } catch {
    return null;
  }
}

/** The place of the package in a folder, or the place where the plugin finds a package of its name. */
export function placeOf({ root, base, packages }: Lockfile, { name, dir }: { name: string; dir?: string }): string | undefined {
  const place = dir === undefined ? '' : relative(root, dir).split(sep).join('/');
  return Object.hasOwn(packages, place) && place.includes('node_modules/') ? place : lookUp((at) => Object.hasOwn(packages, at), base, name);
}

/** As Node resolves: below the package, then beside it, and further up. */
export function lookUp(isThere: (place: string) => boolean, from: string, name: string): string | undefined {
  for (let base = from; ; base = parentOf(base)) {
    const place = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
    if (isThere(place)) return place;
    if (base === '') return undefined;
  }
}

/** The next folder up that may have a `node_modules`. */
function parentOf(place: string): string {
  const inside = place.lastIndexOf('/node_modules/');
  if (inside >= 0) return place.slice(0, inside);
  return place.startsWith('node_modules/') || !place.includes('/') ? '' : place.slice(0, place.lastIndexOf('/'));
}

/** Why a package could not be installed anywhere else, and what to do; null when it could. */
export function notInstallable(place: string, { link, resolved, integrity, inBundle, hasShrinkwrap }: Locked): Issue | null {
  const issue = (message: string): Issue => ({ path: place, message });
  if (link === true || resolved?.startsWith('file:') === true)
    return issue(`is taken from ${resolved ?? 'a folder'}, which is on this machine only; let it be bundled, or install it from a registry`);
  if (inBundle === true) return null;
  if (resolved !== undefined && !/^https?:\/\//.test(resolved)) return issue(`is taken from ${resolved}; install it from a registry`);
  if (hasShrinkwrap === true) return issue('has a lockfile of its own, which installing a plugin refuses; take another version of it');
  if (integrity === undefined) {
    return issue('has no hash in package-lock.json, so nobody could install it; remove package-lock.json and node_modules, then run npm install');
  }
  return null;
}
