/**
 * The bundle of a package: decides which packages are bundled and which are installed beside it. Bundles again until no package is left inside
 * that would break there and could be installed.
 */
import { join, resolve, sep } from 'node:path';
import { BuildFailedError } from '../build-errors.ts';
import { openBundler, type Bundle } from './bundle.ts';
import { placeOf, type Lockfile } from './lockfile.ts';
import { excerptLockfile, whyNotInstallable, type Excerpt } from './excerpt.ts';
import { nativeFinder, packageOf, type PackageFolder } from './outside.ts';
import { fileSeekers, type FileSeeker } from './own-files.ts';
import type { Project } from './project.ts';

export interface PackageBundle extends Bundle {
  /** The packages that are installed with it. */
  excerpt: Excerpt;
  /** One for each package that the author should know of. */
  advice: string[];
}

/** Throws `BuildFailedError`. */
export async function bundlePackage(
  project: Project & { source: string },
  named: ReadonlySet<string>,
  lockfile: Lockfile | null,
): Promise<PackageBundle> {
  const isNative = nativeFinder();
  /** By folder, each with the reason why it stays outside; null where the author need not know. */
  const moved = new Map<string, string | null>();
  const canMove = (found: PackageFolder): boolean => !moved.has(found.dir) && lockfile !== null && whyNotInstallable(lockfile, found) === null;
  const move = (found: readonly PackageFolder[], reason: string | null): boolean => {
    const movable = found.filter(canMove);
    for (const { dir } of movable) moved.set(dir, reason);
    return movable.length > 0;
  };
  const bundler = await openBundler(project, { named, staysOutside: ({ dir }) => moved.has(dir) || isNative(dir) });
  try {
    for (;;) {
      let bundle: Bundle;
      try {
        bundle = await bundler.build();
      } catch (error) {
        if (error instanceof BuildFailedError && move(packagesIn(error, project.dir), 'cannot be bundled')) continue;
        throw error;
      }
      const seekers = fileSeekers(bundle.modules, project.dir);
      const moves = [
        ...seekers.map((seeker) => move([seeker], `looks for files of its own (${seeker.by.join(', ')})`)),
        move(askersOfOthers(bundle, lockfile), 'needs another version of a package that stays outside'),
      ];
      if (moves.includes(true)) continue;
      const excerpt = excerptLockfile(project, lockfile, { outside: bundle.outside, named: [...named] });
      if (move(installedToo(bundle, lockfile, excerpt), null)) continue;
      return { ...bundle, excerpt, advice: [...leftOutside(bundle, moved, named), ...leftInside(seekers, lockfile)] };
    }
  } finally {
    await bundler.dispose();
  }
}

function leftOutside({ outside }: Bundle, moved: ReadonlyMap<string, string | null>, named: ReadonlySet<string>): string[] {
  return outside.flatMap(({ dir, name }) => {
    const reason = moved.get(dir) ?? null;
    return reason === null || named.has(name) ? [] : [`${name} ${reason}: it stays outside of the bundle, and is installed with it`];
  });
}

function leftInside(seekers: readonly FileSeeker[], lockfile: Lockfile | null): string[] {
  return seekers.map(({ name, by }) => {
    const wayOut = `${lockfile === null ? `npm install ${name}, and ` : ''}build with --external ${name}`;
    return `${name} looks for files of its own (${by.join(', ')}), and a bundle has none: ${wayOut}`;
  });
}

/** Bundled packages that a package outside needs, too. Of two copies neither would know the objects of the other. */
function installedToo({ modules }: Bundle, lockfile: Lockfile | null, { packages }: Excerpt): PackageFolder[] {
  if (lockfile === null) return [];
  const folders = new Set([...packages.values()].map(({ from }) => join(lockfile.root, from)));
  const found = new Map(modules.map(({ file }) => [packageOf(file)?.dir, packageOf(file)]));
  return [...found.values()].filter((owner): owner is PackageFolder => owner !== null && folders.has(owner.dir));
}

/** The packages in whose modules there are mistakes. */
function packagesIn({ issues }: BuildFailedError, dir: string): PackageFolder[] {
  const found = new Map<string, PackageFolder>();
  for (const { path } of issues) {
    const file = /^(.*):\d+:\d+$/.exec(path)?.[1];
    const owner = file?.includes('node_modules/') === true ? packageOf(resolve(dir, file)) : null;
    if (owner !== null) found.set(owner.dir, owner);
  }
  return [...found.values()];
}

/** Bundled packages whose version of a package is not the one that the bundle would find: two versions cannot have one name beside it. */
function askersOfOthers({ outside }: Bundle, lockfile: Lockfile | null): PackageFolder[] {
  if (lockfile === null) return [];
  const doubled = outside.filter(({ name, dir }) => outside.some((other) => other.name === name && other.dir !== dir));
  return doubled
    .filter((found) => placeOf(lockfile, found) !== placeOf(lockfile, { name: found.name }))
    .flatMap(({ importers }) => [...importers].flatMap((dir) => packageOf(`${dir}${sep}package.json`) ?? []));
}
