/**
 * The part of the author's package-lock.json that the packages outside of the bundle need, so that `npm ci` installs from the built package
 * what was tried. Changes no version and no place.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildFailedError } from '../build-errors.ts';
import type { Issue } from '../errors.ts';
import type { Project } from './project.ts';

interface Locked {
  version?: string;
  link?: boolean;
  resolved?: string;
  optional?: boolean;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}
type Packages = Readonly<Record<string, Locked>>;

export interface Excerpt {
  /** Name to version. */
  dependencies: Record<string, string>;
  text: string;
}

/** Throws `BuildFailedError` for what could not be installed anywhere else. */
export async function excerptLockfile({ dir, manifest }: Project, names: readonly string[]): Promise<Excerpt> {
  const { name, version } = manifest;
  const packages = await readPackages(dir, name, names);
  const issues: Issue[] = [];
  const dependencies: Record<string, string> = {};
  for (const wanted of names) {
    const locked = packages[`node_modules/${wanted}`];
    if (locked?.version !== undefined && locked.link !== true) dependencies[wanted] = locked.version;
    else issues.push({ path: wanted, message: 'stays outside of the bundle and has to be a dependency of the plugin itself: npm install it' });
  }
  const kept = closure(packages, names);
  for (const [place, { link, resolved }] of kept) {
    if (link !== true && resolved?.startsWith('file:') !== true) continue;
    issues.push({ path: place, message: `is taken from ${resolved}, which is on this machine only; install it from a registry` });
  }
  if (issues.length > 0) throw new BuildFailedError(`${name} cannot be packed`, issues);
  const sorted = [...kept].sort(([a], [b]) => (a < b ? -1 : 1));
  const lockfile = {
    name,
    version,
    lockfileVersion: 3,
    requires: true,
    packages: { '': { name, version, dependencies }, ...Object.fromEntries(sorted) },
  };
  return { dependencies, text: `${JSON.stringify(lockfile, null, 2)}\n` };
}

async function readPackages(dir: string, plugin: string, names: readonly string[]): Promise<Packages> {
  try {
    const { packages } = JSON.parse(await readFile(join(dir, 'package-lock.json'), 'utf8')) as { packages?: Packages };
    if (packages !== undefined) return packages;
  } catch {
    // Said below.
  }
  const message = `is not there, or older than npm 7; run npm install, since ${names.join(', ')} cannot be bundled and will be installed from it`;
  throw new BuildFailedError(`${plugin} cannot be packed`, [{ path: 'package-lock.json', message }]);
}

/** What these need, each at its place. What is needed only by optional dependencies is optional, whatever it was to the author's project. */
function closure(packages: Packages, names: readonly string[]): Map<string, Locked> {
  const kept = new Map<string, Locked>();
  const visit = (place: string, optional: boolean): void => {
    const locked = packages[place];
    const before = kept.get(place);
    if (locked === undefined || (before !== undefined && (optional || before.optional !== true))) return;
    const { dev: _, devOptional: __, peer: ___, optional: ____, ...facts } = locked as Locked & Record<'dev' | 'devOptional' | 'peer', unknown>;
    kept.set(place, optional ? { ...facts, optional: true } : facts);
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = locked;
    const follow = (name: string, asOptional: boolean): void => {
      const found = lookUp(packages, place, name);
      if (found !== undefined) visit(found, asOptional);
    };
    for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
      if (!(name in optionalDependencies) && peerDependenciesMeta[name]?.optional !== true) follow(name, optional);
    }
    for (const name of Object.keys(optionalDependencies)) follow(name, true);
  };
  for (const name of names) visit(`node_modules/${name}`, false);
  return kept;
}

/** As Node resolves: beside the package, then further up. */
function lookUp(packages: Packages, from: string, name: string): string | undefined {
  for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')))) {
    const place = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
    if (packages[place] !== undefined) return place;
    if (base === '') return undefined;
  }
}
