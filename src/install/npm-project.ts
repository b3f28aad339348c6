/**
 * A plan → the package.json and the lockfile that npm gets to see. Every dependency in them is one exact version at one place, so that
 * npm has nothing to choose, and nothing in them is a field that was not judged. Addresses are left out: npm asks its own registry. Pure.
 */
import { type Fields, record } from './locked-entry.ts';
import { type Edge, holderOf, type Plan, type PlannedPackage } from './lockfile.ts';

/** Name and spec: needed, and optional. */
type Needs = Record<'dependencies' | 'optionalDependencies', Map<string, string>>;

const ROOT = { name: 'dependencies', version: '1.0.0', private: true };

/** Null when npm has nothing to fetch. */
export function npmProject({ packages, edges }: Plan): { manifest: object; lockfile: object } | null {
  const fetched = [...packages].filter(([, { origin }]) => origin === 'registry');
  if (fetched.length === 0) return null;
  const needs = needsByOwner(packages, edges);
  const manifest = { ...ROOT, ...fieldsOf(needs.get('')) };
  const locked = fetched.map(([place, each]): [string, object] => [place, { ...entryOf(each), ...fieldsOf(needs.get(place)) }]);
  const lockfile = { name: ROOT.name, version: ROOT.version, lockfileVersion: 3, requires: true };
  return { manifest, lockfile: { ...lockfile, packages: { '': manifest, ...Object.fromEntries(locked) } } };
}

/** A bundled package is part of the one that holds it, which then needs whatever the bundled one does. */
function needsByOwner(packages: Plan['packages'], edges: readonly Edge[]): Map<string, Needs> {
  const needs = new Map<string, Needs>();
  // Required ones last: they win over optional ones of the same name.
  const sorted = [...edges.filter(({ optional }) => optional), ...edges.filter(({ optional }) => !optional)];
  for (const { from, name, to, optional } of sorted) {
    const target = packages.get(to)!;
    if (target.origin !== 'registry') continue;
    let owner = from;
    while (owner !== '' && packages.get(owner)!.origin !== 'registry') owner = holderOf(owner);
    const own = needs.get(owner) ?? { dependencies: new Map(), optionalDependencies: new Map() };
    needs.set(owner, own);
    const spec = target.name === name ? target.version : `npm:${target.name}@${target.version}`;
    own[optional ? 'optionalDependencies' : 'dependencies'].set(name, spec);
    if (!optional) own.optionalDependencies.delete(name);
  }
  return needs;
}

const fieldsOf = (needs: Needs | undefined): object =>
  Object.fromEntries(Object.entries(needs ?? {}).map(([field, specs]) => [field, Object.fromEntries(specs)]));

function entryOf({ name, version, integrity, optional, entry }: PlannedPackage): object {
  return { name, version, integrity, ...(optional ? { optional: true } : {}), ...platformOf(entry) };
}

/** On which platforms and engines it runs, which npm skips optional packages by. */
function platformOf(entry: Fields): object {
  const lists = ['os', 'cpu', 'libc'].map((field) => [field, [entry[field]].flat().filter((each) => typeof each === 'string')] as const);
  const engines = Object.entries(record(entry['engines'])).filter(([, range]) => typeof range === 'string');
  return {
    ...Object.fromEntries(lists.filter(([, list]) => list.length > 0)),
    ...(engines.length > 0 ? { engines: Object.fromEntries(engines) } : {}),
  };
}
