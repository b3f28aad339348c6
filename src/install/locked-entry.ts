/** One entry of a lockfile: its name, version, hash and address, each as text that npm takes for nothing else. Pure. */
import parseVersion from 'semver/functions/parse.js';
import { shown } from '../util/naming.ts';
import { Refused } from './entry-path.ts';

export type Fields = Readonly<Record<string, unknown>>;

const NAME = /^(?:@[A-Za-z0-9~-][A-Za-z0-9._~-]*\/)?[A-Za-z0-9_~-][A-Za-z0-9._~-]*$/;
const ALIAS = /^npm:((?:@[^@/]+\/)?[^@/]+)(?:@(.*))?$/;
const DIGEST_BYTES: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };
const ALTERNATIVE = 'take a published version of it, or bundle it into the plugin';
/** The next step; `--package-lock-only` would keep what is wrong with the entries that it has. */
export const WRITE_ANEW = 'remove the lockfile and node_modules, then npm install writes it anew';

export const isPackageName = (name: string): boolean => NAME.test(name) && !/(?:^|\/)node_modules$/i.test(name);

export const record = (value: unknown): Fields => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {});

/** Package and range that a spec such as `npm:other@^1` stands for; null for a spec that is no alias. */
export function aliasOf(spec: string): { name: string; range: string } | null {
  const [, name, range = '*'] = ALIAS.exec(spec) ?? [];
  return name === undefined ? null : { name, range };
}

/** Throws `Refused` unless `spec` is a range, a tag or an alias: what a registry answers. */
export function checkSpec(name: string, spec: unknown): asserts spec is string {
  if (!isPackageName(name)) throw new Refused(`depends on ${shown(name)}, which is no package's name`);
  const isRegistrys = typeof spec === 'string' && !/[:/\\]/.test(aliasOf(spec)?.range ?? spec) && isPackageName(aliasOf(spec)?.name ?? name);
  if (!isRegistrys) throw new Refused(`depends on ${shown(name)} as ${shown(spec)}, which no registry has; ${ALTERNATIVE}`);
}

/** Throws `Refused` for a place that is not below the plugin's own `node_modules`. */
export function checkPlace(place: string): void {
  if (place === '') return;
  const names = place.startsWith('node_modules/') ? place.slice('node_modules/'.length).split('/node_modules/') : null;
  // A folder that is linked to for development may lie elsewhere: it is not installed.
  if (names === null ? !place.includes('node_modules') : names.every(isPackageName)) return;
  throw new Refused(`has a lockfile that puts a package into ${shown(place)}, outside node_modules`);
}

/** Throws `Refused` for an entry that is not a copy of a package: a link, a clone, a folder, another lockfile. */
export function checkKind(place: string, { link, hasShrinkwrap, resolved }: Fields): void {
  if (link !== undefined && link !== false) throw new Refused(`has a lockfile that links ${shown(place)} to another folder; ${ALTERNATIVE}`);
  if (hasShrinkwrap !== undefined && hasShrinkwrap !== false) {
    throw new Refused(`needs ${shown(place)}, which has a lockfile of its own; ${ALTERNATIVE}`);
  }
  if (resolved !== undefined && (typeof resolved !== 'string' || !/^https?:\/\//.test(resolved))) {
    throw new Refused(`has a lockfile that takes ${shown(place)} from ${shown(resolved)}, which is no registry; ${ALTERNATIVE}`);
  }
}

/** The version of an entry. Throws `Refused` for text that is none: npm would take it for an address. */
export function versionOf(place: string, { version }: Fields): string {
  if (typeof version === 'string' && parseVersion(version)?.raw === version) return version;
  throw new Refused(`has a lockfile with ${shown(version)} for the version of ${shown(place)}; ${WRITE_ANEW}`);
}

/** Throws `Refused` unless the entry's address is one that a registry has for this package and version, or is left out. */
export function checkAddress(place: string, { resolved }: Fields, name: string, version: string): void {
  if (resolved === undefined || isTarballOf(resolved as string, name, version)) return;
  throw new Refused(
    `has a lockfile that takes ${shown(place)} from ${shown(resolved)}, which is not where a registry has ${name}@${version}; ${WRITE_ANEW}`,
  );
}

/**
 * The layouts of registries: `NAME/-/BASE-VERSION.tgz` (npm and most), with the scope repeated (Artifactory, GitLab),
 * `NAME/VERSION.tgz` (JSR), `NAME/VERSION/DIGEST` (GitHub).
 */
function isTarballOf(resolved: string, name: string, version: string): boolean {
  const url = URL.canParse(resolved) ? new URL(resolved) : null;
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') return false;
  const path = url.pathname.replaceAll(/%(?:2f|40)/gi, (escape) => decodeURIComponent(escape));
  const at = path.indexOf(`/${name}/`);
  if (at === -1) return false;
  const [rest, base] = [path.slice(at + name.length + 2), name.slice(name.indexOf('/') + 1)];
  if ([`-/${base}-${version}.tgz`, `-/${name}-${version}.tgz`, `${version}.tgz`].includes(rest)) return true;
  return rest.startsWith(`${version}/`) && /^[0-9a-f]{40,128}$/.test(rest.slice(version.length + 1));
}

/** The strongest hashes of an entry. Throws `Refused` where there is none that npm would go by. */
export function integrityOf(place: string, { integrity }: Fields): string {
  const all = typeof integrity === 'string' ? integrity.trim().split(/\s+/).filter(isHash) : [];
  const strongest = Object.keys(DIGEST_BYTES).findLast((algorithm) => all.some((each) => each.startsWith(`${algorithm}-`)));
  if (strongest === undefined) throw new Refused(`has a lockfile without a hash for ${shown(place)}; ${WRITE_ANEW}`);
  return all.filter((each) => each.startsWith(`${strongest}-`)).join(' ');
}

function isHash(text: string): boolean {
  const [, algorithm, digest] = /^(sha\d+)-([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  return digest !== undefined && Buffer.from(digest, 'base64').length === DIGEST_BYTES[algorithm!];
}
