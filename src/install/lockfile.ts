/**
 * Whether npm may be let loose on a plugin's package.json and lockfile: a lockfile says where npm writes, what it fetches, and which
 * programs it starts to do so, and this one came with the plugin. Pure.
 *
 * 1. Every package lands below the plugin's own `node_modules`.
 * 2. Every package comes from a registry or with the archive, and is held to a hash; nothing is linked, cloned or built on the way.
 */
import { shown } from '../util/naming.ts';
import { Refused } from './entry-path.ts';

type Fields = Readonly<Record<string, unknown>>;

const NAME = /^(?:@[A-Za-z0-9~-][A-Za-z0-9._~-]*\/)?[A-Za-z0-9_~-][A-Za-z0-9._~-]*$/;
const DEPENDENCIES = ['dependencies', 'optionalDependencies', 'peerDependencies'];
const SAY_WHAT_TO_DO = 'take a published version of it, or bundle it into the plugin';

export const isPackageName = (name: string): boolean => NAME.test(name);

/** Names that the plugin needs, those that it can do without included. */
export function declaredDependencies(manifest: Fields): { required: string[]; optional: string[] } {
  const optional = Object.keys(record(manifest['optionalDependencies']));
  const required = Object.keys(record(manifest['dependencies'])).filter((name) => !optional.includes(name));
  for (const name of [...required, ...optional]) if (!NAME.test(name)) throw new Refused(`depends on ${shown(name)}, which is no package's name`);
  return { required, optional };
}

/** Throws `Refused` where npm would look further than the lockfile. */
export function checkManifest(manifest: Fields): void {
  if (manifest['workspaces'] !== undefined)
    throw new Refused('has workspaces in its package.json, which would lead npm to other folders; leave them out');
  // Never installed, yet npm looks at what is not locked: a path does no harm, an address would be fetched.
  for (const [name, spec] of Object.entries(record(manifest['devDependencies']))) {
    if (typeof spec !== 'string' || !/^(?:file|link|workspace):/.test(spec)) checkSpec(name, spec);
  }
  checkOverrides(manifest['overrides']);
}

/**
 * The packages that npm would install by this lockfile, by their place; those for development are left out. Which they are is found out
 * here: what the lockfile says of it npm does not go by. Throws `Refused`.
 */
export function checkLockfile(manifest: Fields, lockfile: unknown): string[] {
  const { lockfileVersion, packages } = record(lockfile);
  if (typeof lockfileVersion !== 'number' || lockfileVersion < 2 || typeof packages !== 'object' || packages === null) {
    throw new Refused('has a lockfile of another format; write it with npm 7 or later: npm install --package-lock-only');
  }
  const entries = new Map(Object.entries(packages).map(([location, entry]) => [location, record(entry)]));
  for (const location of entries.keys()) checkLocation(location);
  const reached = new Set<string>();
  const open = [{ from: '', entry: manifest }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const field of DEPENDENCIES) {
      for (const [name, spec] of Object.entries(record(next.entry[field]))) {
        checkSpec(name, spec);
        const location = placeOf(name, next.from, entries);
        if (location === null || reached.has(location)) continue;
        reached.add(location);
        const entry = entries.get(location)!;
        checkPackage(location, entry);
        open.push({ from: location, entry });
      }
    }
  }
  return [...reached];
}

/** As Node resolves it: below the package that asks, else beside it, and so on up. */
function placeOf(name: string, from: string, entries: ReadonlyMap<string, Fields>): string | null {
  const above = from === '' ? [] : from.split('/node_modules/');
  for (let depth = above.length; depth >= 0; depth--) {
    const location = depth === 0 ? `node_modules/${name}` : [...above.slice(0, depth), name].join('/node_modules/');
    if (entries.has(location)) return location;
  }
  return null;
}

function checkLocation(location: string): void {
  if (location === '') return;
  const names = location.startsWith('node_modules/') ? location.slice('node_modules/'.length).split('/node_modules/') : null;
  // What is linked to for development may lie elsewhere: it is not installed.
  if (names === null ? !location.includes('node_modules') : names.every((name) => NAME.test(name))) return;
  throw new Refused(`has a lockfile that puts a package into ${shown(location)}, outside node_modules`);
}

function checkPackage(location: string, { link, hasShrinkwrap, inBundle, resolved, integrity }: Fields): void {
  if (link === true) throw new Refused(`has a lockfile that links ${shown(location)} to another folder; ${SAY_WHAT_TO_DO}`);
  if (hasShrinkwrap === true) throw new Refused(`needs ${shown(location)}, which has a lockfile of its own; ${SAY_WHAT_TO_DO}`);
  if (inBundle === true) return;
  if (resolved !== undefined && (typeof resolved !== 'string' || !/^https?:\/\//.test(resolved))) {
    throw new Refused(`has a lockfile that takes ${shown(location)} from ${shown(resolved)}, which is no registry; ${SAY_WHAT_TO_DO}`);
  }
  if (typeof integrity !== 'string' || !/^sha\d+-\S/.test(integrity)) {
    throw new Refused(`has a lockfile without a hash for ${shown(location)}; write it anew: npm install --package-lock-only`);
  }
}

function checkSpec(name: string, spec: unknown): void {
  if (!NAME.test(name)) throw new Refused(`depends on ${shown(name)}, which is no package's name`);
  if (typeof spec === 'string' && !/[:/\\]/.test(spec.replace(/^npm:(?:@[^/]+\/)?/, ''))) return;
  throw new Refused(`depends on ${shown(name)} as ${shown(spec)}, which no registry has; ${SAY_WHAT_TO_DO}`);
}

/** Nested as deep as one likes: each text in it is a range. */
function checkOverrides(overrides: unknown): void {
  const open = [overrides];
  while (open.length > 0) {
    for (const [name, value] of Object.entries(record(open.pop()))) {
      if (typeof value === 'object') open.push(value);
      else checkSpec(name.replace(/(?<=.)@.*$/, '').replace(/^\.$/, 'self'), value);
    }
  }
}

const record = (value: unknown): Fields => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {});
