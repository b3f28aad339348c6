/**
 * Which packages a bundle cannot take in: those with a native part, and those whose installation runs a script.
 * Looks at the packages as they are installed; owns no list of names.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface PackageJson {
  name?: string;
  gypfile?: boolean;
  scripts?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

export interface PackageFolder {
  name: string;
  dir: string;
}

/** The package that a file belongs to. A package.json without a name, as some have beside their builds, is none. */
export function packageOf(file: string): PackageFolder | null {
  for (let dir = dirname(file); dir !== dirname(dir); dir = dirname(dir)) {
    const name = read(dir)?.name;
    if (typeof name === 'string') return { name, dir };
  }
  return null;
}

/** Remembers what it has looked at: a package is asked for once for each of its modules that is imported. */
export function nativeFinder(): (dir: string) => boolean {
  const known = new Map<string, boolean>();
  const isNative = (dir: string): boolean => {
    const before = known.get(dir);
    if (before !== undefined) return before;
    // Two packages may be optional dependencies of each other.
    known.set(dir, false);
    const manifest = read(dir) ?? {};
    const { gypfile, scripts = {}, optionalDependencies = {} } = manifest;
    const found =
      gypfile === true ||
      ['preinstall', 'install', 'postinstall'].some((script) => scripts[script] !== undefined) ||
      holdsNative(dir) ||
      // The JavaScript part loads the native one, which is one package for each platform, by a name made at run time.
      Object.keys(optionalDependencies).some((name) => {
        const platform = findPackage(dir, name);
        return platform !== null && isNative(platform);
      });
    known.set(dir, found);
    return found;
  };
  return isNative;
}

function holdsNative(dir: string): boolean {
  return readdirSync(dir, { withFileTypes: true }).some((entry) =>
    entry.isDirectory() ? entry.name !== 'node_modules' && holdsNative(join(dir, entry.name)) : /\.node$|^binding\.gyp$/.test(entry.name),
  );
}

function findPackage(from: string, name: string): string | null {
  for (let dir = from; ; dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (dir === dirname(dir)) return null;
  }
}

function read(dir: string): PackageJson | null {
  try {
    return JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as PackageJson;
  } catch {
    return null;
  }
}
