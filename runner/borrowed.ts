/**
 * Packages that a plugin has not, and that Node found in a folder above it, which are the host's: elsewhere the plugin would not start.
 * Looked for once the plugin is ready, so that no start waits for it.
 */
import type { PluginLog } from './api.ts';
import { native } from './natives.ts';

const SOON_MS = 100;
const OURS = 'chameleon-supervisor';

/** Warns of them, some time after the start. */
export function warnOfBorrowed(dir: string, log: PluginLog): void {
  const look = (): void => {
    for (const [name, folder] of borrowedPackages(dir)) {
      log.warn(
        `${name} is taken from ${folder}, as the plugin has none of its own: npm install ${name} in ${dir}, or bundle it (chameleon-supervisor build)`,
      );
    }
  };
  const lookSafely = (): void => {
    try {
      look();
    } catch {
      // Plugins change Node's cache of modules as they like, and no advice is worth a crash.
    }
  };
  native.setTimeout(lookSafely, SOON_MS).unref();
}

/** Name and folder of each, by what was loaded so far and by what package.json declares. ES modules that nobody declared are not seen. */
function borrowedPackages(dir: string): Map<string, string> {
  const { dirname, join } = require('node:path') as typeof import('node:path');
  const { existsSync } = require('node:fs') as typeof import('node:fs');
  const names = new Set([...declaredPackages(dir), ...packagesOutside(dir)]);
  names.delete(OURS);
  const borrowed = new Map<string, string>();
  for (const name of names) {
    let folder = dir;
    while (!existsSync(join(folder, 'node_modules', name)) && folder !== dirname(folder)) folder = dirname(folder);
    if (folder !== dir && folder !== dirname(folder)) borrowed.set(name, join(folder, 'node_modules', name));
  }
  return borrowed;
}

function declaredPackages(dir: string): string[] {
  try {
    return Object.keys((require(`${dir}/package.json`) as { dependencies?: object }).dependencies ?? {});
  } catch {
    return [];
  }
}

/** Packages of loaded files outside, unless other packages outside are all that needs them. An ES module is not among their parents. */
function packagesOutside(dir: string): string[] {
  const { sep } = require('node:path') as typeof import('node:path');
  const all = Object.values(require.cache).filter((each) => typeof each?.filename === 'string') as NodeJS.Module[];
  const isInside = ({ filename }: NodeJS.Module): boolean => filename.startsWith(dir + sep);
  const wanted = new Set(all.filter(isInside).flatMap(({ children }) => children));
  const needed = new Set(all.filter((each) => !isInside(each) && each.filename !== __filename).flatMap(({ children }) => children));
  const outside = all.filter((each) => !isInside(each) && (wanted.has(each) || !needed.has(each)));
  return outside.flatMap(
    ({ filename }) => /^.*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)[/\\]/.exec(filename)?.[1]?.replaceAll('\\', '/') ?? [],
  );
}
