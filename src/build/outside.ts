/**
 * Which package a file belongs to, and which packages a bundle cannot take in because they have a native part or an install script.
 * Looks at the packages as they are installed; owns no list of names.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

interface PackageJson {
  name?: string;
  version?: string;
  type?: string;
  exports?: unknown;
  gypfile?: boolean;
  scripts?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

export interface PackageFolder {
  /** The name that imports it: an alias, where npm installed it under one. */
  name: string;
  dir: string;
}

const NAME = /^(?:@[^/]+\/)?[^/]+/;

/** The package that an import asks for: `lodash` of `lodash/fp`. */
export function packageNameOf(specifier: string): string {
  return NAME.exec(specifier)?.[0] ?? specifier;
}

/** The package that a file belongs to. Some packages have a package.json beside each of their builds: that is none. */
export function packageOf(file: string): PackageFolder | null {
  const parts = file.split(`${sep}node_modules${sep}`);
  if (parts.length > 1) {
    const name = packageNameOf(parts.pop()!.split(sep).join('/'));
    return { name, dir: join(parts.join(`${sep}node_modules${sep}`), 'node_modules', name) };
  }
  for (let dir = dirname(file); dir !== dirname(dir); dir = dirname(dir)) {
    const name = readPackage(dir)?.name;
    if (typeof name === 'string') return { name, dir };
  }
  return null;
}

/** True for a module that Node loads as it is installed: in development each of these stays outside of the bundle. */
export function loadsAsItIs(file: string): boolean {
  return file.includes(`${sep}node_modules${sep}`) && /\.(?:[cm]?js|json|node)$/.test(file);
}

/** True for a file that Node loads as an ES module. */
export function isEsModule(file: string): boolean {
  if (!file.endsWith('.js')) return file.endsWith('.mjs');
  for (let dir = dirname(file); dir !== dirname(dir); dir = dirname(dir)) {
    const manifest = readPackage(dir);
    if (manifest !== null) return manifest.type === 'module' || (manifest.type === undefined && hasImports(file));
  }
  return false;
}

/** Node goes by the syntax of a module where its package.json has no `type`. */
function hasImports(file: string): boolean {
  return /^\s*(?:import\s*[\w{*'"]|export\s*(?:[{*]|default\b|const\b|function\b|class\b))/m.test(readFileSync(file, 'utf8'));
}

/** Remembers its answers: a package is asked for once for each of its modules that is imported. */
export function nativeFinder(): (dir: string) => boolean {
  const known = new Map<string, boolean>();
  const isNative = (dir: string): boolean => {
    const before = known.get(dir);
    if (before !== undefined) return before;
    // Two packages may be optional dependencies of each other.
    known.set(dir, false);
    const manifest = readPackage(dir) ?? {};
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

/** True for a package whose native part stands where node-gyp builds it, so that a package from a registry does not bring it. */
export function wasCompiledHere(dir: string): boolean {
  return existsSync(join(dir, 'build/Release')) && holdsNative(join(dir, 'build/Release'));
}

function holdsNative(dir: string): boolean {
  return readdirSync(dir, { withFileTypes: true }).some((entry) =>
    entry.isDirectory() ? entry.name !== 'node_modules' && holdsNative(join(dir, entry.name)) : /\.node$|^binding\.gyp$/.test(entry.name),
  );
}

/** The folder of a package as Node finds it from another folder; null where it is not installed. */
export function findPackage(from: string, name: string): string | null {
  for (let dir = from; ; dir = dirname(dir)) {
    const candidate = join(dir, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (dir === dirname(dir)) return null;
  }
}

export function readPackage(dir: string): PackageJson | null {
  try {
    return JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as PackageJson;
  } catch {
    return null;
  }
}
