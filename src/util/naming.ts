/**
 * What may be called what: names of plugins, versions of releases, ranges of versions. Everything that names a folder
 * passes here first, so that no name, whatever wrote it, can lead out of the plugin folder.
 *
 * 1. A valid version, and each part of a valid name, is a plain file name: it begins with a letter or digit and holds no separator,
 *    no control character and nothing that is encoded.
 * 2. Each valid version has one spelling: `1.0.0`, never `v1.0.0`. Build metadata (`1.0.0+linux`) is refused, because
 *    two builds of one version are the same version to semver and could not be told apart.
 */
import valid from 'semver/functions/valid.js';
import validRange from 'semver/ranges/valid.js';

// Stricter than npm at one place: a leading dash is refused, since the command line would read such a name as a flag.
const NAME = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
const MAX_NAME = 214;
const MAX_RANGE = 256;
/** The first two are npm's; `constructor` would be found on every object that is indexed by name. */
const TAKEN = new Set(['node_modules', 'favicon.ico', 'constructor']);

/** What each of them must be, to stand after "expected". */
export const NAME_RULE =
  'a plugin name (lower-case letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 214 characters, not "node_modules", "favicon.ico" or "constructor"; such as "hello" or "@scope/hello")';
export const VERSION_RULE = 'a semver version (three numbers and perhaps a pre-release, such as "1.0.0" or "2.0.0-beta.1", without "v" or "+build")';
export const RANGE_RULE = 'a semver range (such as "1.2.3", "^1", ">=1.2 <3", or "*" for any)';

export function isPluginName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_NAME && NAME.test(value) && !TAKEN.has(value.slice(value.indexOf('/') + 1));
}

export function isVersion(value: unknown): value is string {
  return typeof value === 'string' && valid(value) === value;
}

export function isRange(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_RANGE && /^[\x20-\x7e]+$/.test(value) && value.trim() !== '' && validRange(value) !== null;
}

/** Any value as it can stand in a message: quoted, and cut where it is long. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
