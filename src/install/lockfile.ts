/**
 * The packages that a plugin needs, by the lockfile that came with it. A lockfile says where npm writes, what it fetches, and which
 * programs it starts to do so: npm never sees this one, but one that is made of the plan (npm-project.ts). Pure.
 *
 * 1. Every package lands below the plugin's own `node_modules`.
 * 2. Every package comes from a registry by its own name and is held to a hash, or lies in an archive that was. Nothing is linked,
 *    cloned or built on the way.
 */
import satisfies from 'semver/functions/satisfies.js';
import validRange from 'semver/ranges/valid.js';
import { shown } from '../util/naming.ts';
import { Refused } from './entry-path.ts';
import {
  aliasOf,
  checkAddress,
  checkKind,
  checkPlace,
  checkSpec,
  type Fields,
  integrityOf,
  isPackageName,
  record,
  versionOf,
  WRITE_ANEW,
} from './locked-entry.ts';

export interface PlannedPackage {
  /** The registry's name of it. Its place has another name where it is an alias. */
  readonly name: string;
  readonly version: string;
  /** npm fetches it; or it lies in the archive of the package that holds it, or in the plugin's own. */
  readonly origin: 'registry' | 'bundle' | 'plugin';
  /** Null for what npm does not fetch. */
  readonly integrity: string | null;
  /** False once something needs it that is needed itself. */
  optional: boolean;
  /** The lockfile's own fields. */
  readonly entry: Fields;
}

export interface Edge {
  /** The place of the package that needs it; '' is the plugin. */
  readonly from: string;
  readonly name: string;
  readonly to: string;
  readonly optional: boolean;
}

export interface Plan {
  /** By place, such as `node_modules/a/node_modules/b`. */
  readonly packages: ReadonlyMap<string, PlannedPackage>;
  readonly edges: readonly Edge[];
}

interface Need {
  from: string;
  name: string;
  spec: unknown;
  kind: 'required' | 'optional' | 'peer';
}

/** Names that the plugin needs, and those that it can do without. */
export function declaredDependencies(manifest: Fields): { required: string[]; optional: string[] } {
  const optional = Object.keys(record(manifest['optionalDependencies']));
  const required = Object.keys(record(manifest['dependencies'])).filter((name) => !optional.includes(name));
  for (const name of [...required, ...optional]) if (!isPackageName(name)) throw new Refused(`depends on ${shown(name)}, which is no package's name`);
  return { required, optional };
}

/** What a package asks for by its package.json: name and spec. */
export function declaredNeeds(manifest: Fields): Map<string, string> {
  const fields = ['peerDependencies', 'dependencies', 'optionalDependencies'];
  const all = fields.flatMap((field) => Object.entries(record(manifest[field])));
  return new Map(all.filter((each): each is [string, string] => typeof each[1] === 'string'));
}

/** Throws `Refused` for a package.json that leads to other folders or addresses, also where npm would not see that. */
export function checkManifest(manifest: Fields): void {
  if (manifest['workspaces'] !== undefined)
    throw new Refused('has workspaces in its package.json, which would lead npm to other folders; leave them out');
  for (const [name, spec] of Object.entries(record(manifest['devDependencies']))) {
    if (typeof spec !== 'string' || !/^(?:file|link|workspace):/.test(spec)) checkSpec(name, spec);
  }
  for (const [name, spec] of overridesOf(manifest)) checkSpec(name, spec);
}

/**
 * Plans the packages that are installed by this lockfile; those for development are left out. Its `dev`, `peer` and `optional` flags
 * count for nothing. `cameAlong` tells whether the plugin's archive held a package at a place. Throws `Refused`.
 */
export function planDependencies(manifest: Fields, lockfile: unknown, cameAlong: (place: string) => boolean): Plan {
  const entries = readEntries(lockfile);
  const aliases = ownAliases(manifest);
  const packages = new Map<string, PlannedPackage>();
  const edges: Edge[] = [];
  const open = needsOf('', manifest);
  for (let need = open.pop(); need !== undefined; need = open.pop()) {
    const { from, name, spec, kind } = need;
    checkSpec(name, spec);
    const to = placeOf(name, from, entries);
    if (to === null) {
      if (isIndispensable(need, packages)) {
        throw new Refused(`has a lockfile without ${shown(name)}, which ${from === '' ? 'its package.json' : shown(from)} asks for; ${WRITE_ANEW}`);
      }
      continue;
    }
    const optional = kind === 'optional' || packages.get(from)?.optional === true;
    edges.push({ from, name, to, optional: kind === 'optional' });
    const entry = entries.get(to)!;
    checkName(need, to, entry, aliases);
    const known = packages.get(to);
    const planned = known ?? judge(to, entry, manifest, packages, cameAlong);
    if (from === '' && kind !== 'peer') checkRange(name, spec, planned.version);
    if (known !== undefined && (optional || !known.optional)) continue;
    planned.optional = optional;
    packages.set(to, planned);
    open.push(...needsOf(to, entry));
  }
  const devDependencies = record(manifest['devDependencies']);
  for (const [place, entry] of entries) if (place !== '' && !packages.has(place)) checkUnused(place, entry, devDependencies);
  return { packages, edges };
}

function readEntries(lockfile: unknown): Map<string, Fields> {
  const { lockfileVersion, packages } = record(lockfile);
  if (typeof lockfileVersion !== 'number' || lockfileVersion < 2 || typeof packages !== 'object' || packages === null) {
    throw new Refused(`has a lockfile of another format; ${WRITE_ANEW} (npm 7 or later)`);
  }
  const entries = new Map(Object.entries(packages).map(([place, entry]) => [place, record(entry)]));
  for (const place of entries.keys()) checkPlace(place);
  return entries;
}

function needsOf(from: string, fields: Fields): Need[] {
  const optional = record(fields['optionalDependencies']);
  const meta = record(fields['peerDependenciesMeta']);
  const needs: Need[] = [];
  const add = (kind: Need['kind'], [name, spec]: [string, unknown]): void => void needs.push({ from, name, spec, kind });
  for (const each of Object.entries(record(fields['dependencies']))) if (!Object.hasOwn(optional, each[0])) add('required', each);
  for (const each of Object.entries(optional)) add('optional', each);
  for (const each of Object.entries(record(fields['peerDependencies']))) if (record(meta[each[0]])['optional'] !== true) add('peer', each);
  return needs;
}

/** The plugin's own peers have to be there; a dependency's peers are left out by `--legacy-peer-deps`, and a bundle is its maker's matter. */
function isIndispensable({ from, kind }: Need, packages: ReadonlyMap<string, PlannedPackage>): boolean {
  if (from === '') return kind !== 'optional';
  return kind === 'required' && packages.get(from)!.origin === 'registry';
}

/** As Node resolves it: below the package that asks, else beside it, and so on up. */
function placeOf(name: string, from: string, entries: ReadonlyMap<string, Fields>): string | null {
  for (let folder = from; ; folder = holderOf(folder)) {
    const place = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    if (entries.has(place)) return place;
    if (folder === '') return null;
  }
}

/** The place of the package in whose `node_modules` this one lies; '' for the plugin. */
export const holderOf = (place: string): string => place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/')));

function judge(
  place: string,
  entry: Fields,
  manifest: Fields,
  packages: ReadonlyMap<string, PlannedPackage>,
  cameAlong: (place: string) => boolean,
): PlannedPackage {
  checkKind(place, entry);
  const name = (entry['name'] ?? place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)) as string;
  const version = versionOf(place, entry);
  checkAddress(place, entry, name, version);
  const holder = packages.get(holderOf(place));
  const origin = originOf(entry, holder, manifest, cameAlong(place));
  if (origin === 'registry' && holder !== undefined && holder.origin !== 'registry') {
    throw new Refused(`has a lockfile that puts ${shown(place)} into a package that was bundled without it; ${WRITE_ANEW}`);
  }
  return { name, version, origin, integrity: origin === 'registry' ? integrityOf(place, entry) : null, optional: true, entry };
}

function originOf(entry: Fields, holder: PlannedPackage | undefined, manifest: Fields, cameAlong: boolean): PlannedPackage['origin'] {
  if (entry['inBundle'] !== true) return 'registry';
  if (holder === undefined) return bundles(manifest) && cameAlong ? 'plugin' : 'registry';
  if (holder.origin === 'plugin') return cameAlong ? 'plugin' : 'registry';
  return holder.origin === 'bundle' || bundles(holder.entry) ? 'bundle' : 'registry';
}

function bundles(fields: Fields): boolean {
  const names = fields['bundleDependencies'] ?? fields['bundledDependencies'];
  return names === true || (Array.isArray(names) && names.length > 0);
}

/** A package has its own name, or one that its dependent, the plugin's package.json or its overrides give it. */
function checkName({ name, spec }: Need, place: string, entry: Fields, aliases: ReadonlyMap<string, Set<string>>): void {
  const named = entry['name'] ?? name;
  const expected = aliasOf(spec as string)?.name ?? name;
  if (typeof named === 'string' && isPackageName(named) && (named === expected || aliases.get(name)?.has(named) === true)) return;
  throw new Refused(`has a lockfile with ${shown(named)} in place of ${shown(expected)}, at ${shown(place)}; ${WRITE_ANEW}`);
}

/** A tag, such as `latest`, says nothing of a version. */
function checkRange(name: string, spec: string, version: string): void {
  const range = aliasOf(spec)?.range ?? spec;
  if (validRange(range, { loose: true }) === null || satisfies(version, range, { loose: true })) return;
  throw new Refused(`has a lockfile that is not in sync with its package.json: ${shown(name)} is ${version} and not ${range}; ${WRITE_ANEW}`);
}

/** What is not installed may be a folder that is linked to for development, and nothing else that no registry has. */
function checkUnused(place: string, entry: Fields, devDependencies: Fields): void {
  const isLocal = entry['link'] === true || (typeof entry['resolved'] === 'string' && entry['resolved'].startsWith('file:'));
  if (!isLocal || !Object.hasOwn(devDependencies, place.replace(/^node_modules\//, ''))) checkKind(place, { ...entry, hasShrinkwrap: false });
}

/** The other packages that the plugin itself wants under a name. */
function ownAliases(manifest: Fields): Map<string, Set<string>> {
  const aliases = new Map<string, Set<string>>();
  const own = ['dependencies', 'optionalDependencies', 'peerDependencies'].flatMap((field) => Object.entries(record(manifest[field])));
  for (const [name, spec] of [...own, ...overridesOf(manifest)]) {
    const alias = typeof spec === 'string' ? aliasOf(spec) : null;
    if (alias !== null) aliases.set(name, (aliases.get(name) ?? new Set()).add(alias.name));
  }
  return aliases;
}

/** Name and spec of each override, as deep as they are nested; `.` is the package that holds it. */
function overridesOf(manifest: Fields): [string, unknown][] {
  const found: [string, unknown][] = [];
  const open: [string, unknown][] = [['self', manifest['overrides']]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [owner, overrides] = next;
    for (const [key, value] of Object.entries(record(overrides))) {
      const name = key === '.' ? owner : key.replace(/(?<=.)@.*$/, '');
      (typeof value === 'object' ? open : found).push([name, value]);
    }
  }
  return found;
}
