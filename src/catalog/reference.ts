/**
 * `name` and `name@range`: what a caller writes, and which version it means. Pure; no name that fails here ever reaches a disk.
 */
import maxSatisfying from 'semver/ranges/max-satisfying.js';
import { PluginNotFoundError, VersionNotFoundError } from '../errors.ts';
import { isPluginName, isRange } from '../util/naming.ts';

export interface Reference {
  name: string;
  /** Null: the active version. */
  range: string | null;
}

/** Throws `PluginNotFoundError` for what is no name, `VersionNotFoundError` for what is no range. */
export function parseReference(reference: string): Reference {
  const text: unknown = reference;
  if (typeof text !== 'string') throw new PluginNotFoundError(typeof text, []);
  const at = text.indexOf('@', 1);
  const name = at === -1 ? text : text.slice(0, at);
  if (!isPluginName(name)) throw new PluginNotFoundError(cut(text), []);
  if (at === -1) return { name, range: null };
  const range = text.slice(at + 1);
  if (!isRange(range)) throw new VersionNotFoundError(name, cut(range), []);
  return { name, range };
}

/** The highest version in `range`; a pre-release only when the range names one of the same version, as semver has it. */
export function highestSatisfying<T extends { readonly version: string }>(items: readonly T[], range: string): T | undefined {
  const version = maxSatisfying(
    items.map((item) => item.version),
    range,
  );
  return version === null ? undefined : items.find((item) => item.version === version);
}

const cut = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
