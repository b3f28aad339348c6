/**
 * The part of the author's lockfile that the packages outside of the bundle need, so that `npm ci` installs from the built package the
 * versions that were tried.
 */
import { join } from 'node:path';
import { BuildFailedError } from '../build-errors.ts';
import type { Issue } from '../errors.ts';
import { lookUp, notInstallable, placeOf, type Locked, type Lockfile } from './lockfile.ts';
import { wasCompiledHere } from './outside.ts';
import { declaredDependencies, type Project } from './project.ts';

/** A package that is installed with the plugin. */
interface Placed {
  /** Where it stands in the author's lockfile. */
  readonly from: string;
  readonly locked: Locked;
}

export interface Excerpt {
  /** Name to version, as package.json has them. */
  dependencies: Record<string, string>;
  /** By their places in the built package. */
  packages: ReadonlyMap<string, Placed>;
  /** The text of its package-lock.json; empty when nothing is outside. */
  text: string;
}

export interface Wanted {
  /** Imported by the bundle. */
  readonly outside: readonly { name: string; dir: string }[];
  /** Installed with the plugin where the author's lockfile has them, whether or not the bundle imports them. */
  readonly named: readonly string[];
}

const NOTHING: Excerpt = { dependencies: {}, packages: new Map(), text: '' };

/** Throws `BuildFailedError` for what could not be installed anywhere else. */
export function excerptLockfile({ json, manifest }: Project, lockfile: Lockfile | null, { outside, named }: Wanted): Excerpt {
  const { name, version } = manifest;
  const refused = (issues: Issue[]): BuildFailedError => new BuildFailedError(`${name} cannot be packed`, issues);
  if (lockfile === null) {
    if (outside.length === 0) return NOTHING;
    const names = outside.map((found) => found.name).join(', ');
    const message = `is not there, or older than npm 7; run npm install, since ${names} cannot be bundled and will be installed from it`;
    throw refused([{ path: 'package-lock.json', message }]);
  }
  const issues: Issue[] = [];
  const tops = new Map<string, string>();
  for (const found of outside) {
    const place = placeOf(lockfile, found);
    const before = tops.get(found.name);
    if (place === undefined) {
      issues.push({ path: found.name, message: 'stays outside of the bundle and has to be a dependency of the plugin itself: npm install it' });
    } else if (before !== undefined && before !== place) {
      issues.push({ path: found.name, message: `is needed at two versions, ${before} and ${place}: npm install one that fits both` });
    } else tops.set(found.name, place);
  }
  for (const wanted of named) {
    const place = placeOf(lockfile, { name: wanted });
    if (place !== undefined && !tops.has(wanted)) tops.set(wanted, place);
  }
  let packages = arrange(lockfile, tops);
  for (;;) {
    const peers = chosenPeers(lockfile, packages, declaredDependencies(json)).filter((peer) => !tops.has(peer));
    if (peers.length === 0) break;
    for (const peer of peers) tops.set(peer, placeOf(lockfile, { name: peer })!);
    packages = arrange(lockfile, tops);
  }
  issues.push(...[...packages.values()].flatMap(({ from, locked }) => notInstallable(from, locked) ?? []));
  if (issues.length > 0) throw refused(issues);
  if (packages.size === 0) return NOTHING;
  const dependencies = Object.fromEntries([...tops.keys()].sort().map((top) => [top, specOf(top, packages.get(`node_modules/${top}`)!.locked)]));
  const sorted = [...packages].sort(([a], [b]) => (a < b ? -1 : 1)).map(([place, { locked }]) => [place, locked] as const);
  const text = {
    name,
    version,
    lockfileVersion: 3,
    requires: true,
    packages: { '': { name, version, dependencies }, ...Object.fromEntries(sorted) },
  };
  return { dependencies, packages, text: `${JSON.stringify(text, null, 2)}\n` };
}

/** Optional peers, such as the driver of a database, that the plugin itself depends on. */
function chosenPeers(lockfile: Lockfile, packages: ReadonlyMap<string, Placed>, declared: readonly string[]): string[] {
  const peers = [...packages.values()].flatMap(({ locked }) => Object.keys(locked.peerDependenciesMeta ?? {}));
  return declared.filter((name) => peers.includes(name) && placeOf(lockfile, { name }) !== undefined);
}

/** Null when a package and all that it needs can be installed anywhere. */
export function whyNotInstallable(lockfile: Lockfile, found: { name: string; dir: string }): Issue | null {
  const place = placeOf(lockfile, found);
  if (place === undefined) return { path: found.name, message: 'is no dependency' };
  for (const { from, locked } of arrange(lockfile, new Map([[found.name, place]])).values()) {
    const issue = notInstallable(from, locked);
    if (issue !== null) return issue;
  }
  return null;
}

/** Packages whose install script made what they need, and which are installed without it unless that is allowed. */
export function needingScripts(lockfile: Lockfile | null, { packages }: Excerpt): string[] {
  if (lockfile === null) return [];
  const found = [...packages].filter(([, { from, locked }]) => locked.hasInstallScript === true && wasCompiledHere(join(lockfile.root, from)));
  return found.map(([place]) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length));
}

const specOf = (name: string, { name: real = name, version }: Locked): string => (real === name ? version! : `npm:${real}@${version}`);

/**
 * The packages and what they need, by their new places: the same as before, but for the plugin's own, which a workspace has elsewhere. A place
 * that another version has taken is made up for below the package that asks. A package that only optional dependencies need is
 * optional.
 */
function arrange({ base, packages }: Lockfile, tops: ReadonlyMap<string, string>): Map<string, Placed> {
  const placed = new Map<string, Placed>();
  const isThere = (place: string): boolean => Object.hasOwn(packages, place);
  const own = base === '' ? '' : `${base}/`;
  const visit = (from: string, asker: string, name: string, optional: boolean): void => {
    const locked = packages[from]!;
    const at = choose(from, asker, name);
    const before = placed.get(at);
    if (before !== undefined && (optional || before.locked.optional !== true)) return;
    const { dev: _, devOptional: __, peer: ___, optional: ____, ...facts } = locked as Locked & Record<'dev' | 'devOptional' | 'peer', unknown>;
    placed.set(at, { from, locked: optional ? { ...facts, optional: true } : facts });
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = locked;
    const follow = (needed: string, asOptional: boolean): void => {
      const found = lookUp(isThere, from, needed);
      if (found !== undefined) visit(found, at, needed, asOptional);
    };
    for (const needed of Object.keys({ ...dependencies, ...peerDependencies })) {
      if (!(needed in optionalDependencies) && peerDependenciesMeta[needed]?.optional !== true) follow(needed, optional);
    }
    for (const needed of Object.keys(optionalDependencies)) follow(needed, true);
  };
  const choose = (from: string, asker: string, name: string): string => {
    const found = lookUp((place) => placed.has(place), asker, name);
    if (found !== undefined && placed.get(found)!.from === from) return found;
    const below = `${asker === '' ? '' : `${asker}/`}node_modules/${name}`;
    if (found !== undefined) return below;
    const wanted = from.startsWith(own) ? from.slice(own.length) : from;
    const isInReach = lookUp((place) => place === wanted, asker, name) !== undefined;
    return isInReach ? wanted : below;
  };
  // First, so that nothing else takes the places where the bundle looks.
  for (const [name, from] of tops) placed.set(`node_modules/${name}`, { from, locked: { ...packages[from], optional: true } });
  for (const [name, from] of tops) visit(from, '', name, false);
  return placed;
}
