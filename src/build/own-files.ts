/**
 * Which packages look for files of their own at run time, and so break in a bundle, which stands elsewhere and is one file.
 * Goes by the code in the bundle: a package may look for its files in a module that the plugin does not use.
 */
import type { BundledModule } from './modules.ts';
import { packageOf, type PackageFolder } from './outside.ts';

export interface FileSeeker extends PackageFolder {
  /** How it looks for them, such as `__dirname`. */
  readonly by: readonly string[];
}

/** Names that the bundler gives to `__dirname` and `__filename`, unless a module declares them itself. */
export const DIRNAME = '__chameleon_dirname';
export const FILENAME = '__chameleon_filename';

/** esbuild writes `__require` for a `require` that stays in the bundle. */
const SIGNS: readonly (readonly [string, RegExp])[] = [
  ['__dirname', new RegExp(`\\b${DIRNAME}\\b`)],
  ['__filename', new RegExp(`\\b${FILENAME}\\b`)],
  ['import.meta', /\bimport\.meta\.(?:url|dirname|filename|resolve)\b/],
  ['require.resolve', /\b(?:__)?require\.resolve\(/],
  ['module.filename', /\bmodule\d*\.(?:filename|path|paths|parent)\b/],
  ['a computed require', /\b__require\((?!["'`])/],
  ['a computed import', /\bimport\((?!\s*["'])/],
];

/** The packages besides the plugin itself, sorted by name. */
export function fileSeekers(modules: readonly BundledModule[], dir: string): FileSeeker[] {
  const found = new Map<string, { name: string; dir: string; by: Set<string> }>();
  for (const { file, code } of modules) {
    const signs = SIGNS.filter(([, sign]) => sign.test(code)).map(([name]) => name);
    const owner = signs.length === 0 ? null : packageOf(file);
    if (owner === null || owner.dir === dir) continue;
    const seeker = found.get(owner.dir) ?? { ...owner, by: new Set() };
    for (const sign of signs) seeker.by.add(sign);
    found.set(owner.dir, seeker);
  }
  return [...found.values()].map(({ name, dir: at, by }) => ({ name, dir: at, by: [...by].sort() })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
