/** Advice to the author about a package that was built, and that may not work as it is: one line for each thing. Never keeps it from being packed. */
import { posix, relative, sep } from 'node:path';
import { needingScripts } from './excerpt.ts';
import type { Lockfile } from './lockfile.ts';
import type { BundledModule } from './modules.ts';
import { packageOf } from './outside.ts';
import type { PackageBundle } from './package-bundle.ts';
import { bundlePath, declaredDependencies, isTypeScript, type Project } from './project.ts';

export interface Advised {
  project: Project;
  bundled: PackageBundle;
  /** Names that the author has left outside. */
  named: ReadonlySet<string>;
  lockfile: Lockfile | null;
  /** In the archive. */
  files: readonly string[];
}

export function adviceOn(built: Advised): string[] {
  const { project, bundled, named, lockfile, files } = built;
  const lines = [...bundled.advice, ...needingScripts(lockfile, bundled.excerpt).map(allowScripts), ...unknownNames(bundled, named)];
  if (project.source !== null) lines.push(...unseenDependencies(project, bundled), ...files.flatMap(uncompiled), ...notPacked(built));
  return [...new Set(lines)];
}

function allowScripts(name: string): string {
  return `${name} was compiled by its install script, which runs only where it is allowed: install with --allow-scripts ${name}`;
}

/** A name that is neither imported nor installed may be misspelt. */
function unknownNames({ code, excerpt }: PackageBundle, named: ReadonlySet<string>): string[] {
  return [...named]
    .filter((name) => !Object.hasOwn(excerpt.dependencies, name) && !code.includes(`"${name}"`) && !code.includes(`"${name}/`))
    .map((name) => `${name} is to stay outside, and is neither imported nor a dependency of the plugin: is it misspelt?`);
}

function uncompiled(path: string): string[] {
  if (!isTypeScript(path) || /\.d\.[cm]?ts$/.test(path)) return [];
  return [`${path} is packed as it is, and Node does not run TypeScript in an installed plugin: ${COMPILE}`];
}

const COMPILE = 'compile it, and name the JavaScript in "files"';

/** Files that the plugin's own modules look for beside themselves, such as workers, and that would not be there. */
function notPacked({ project, bundled, files }: Advised): string[] {
  const { dir, source } = project;
  const place = posix.dirname(bundlePath(source!));
  return ownModules(project, bundled).flatMap(({ file, code }) =>
    [...code.matchAll(/new URL\(\s*"([^":?#]+)[^"]*",\s*import\.meta\.url\s*\)/g)].flatMap(([, path]) => {
      const wanted = posix.join(place, path!);
      if (
        wanted.startsWith('../') ||
        files.some((packed) => packed === wanted || packed.startsWith(wanted === '.' ? '' : `${wanted.replace(/\/$/, '')}/`))
      )
        return [];
      return [`${wanted} is looked for by ${shownPath(dir, file)}, and is not packed: ${isTypeScript(wanted) ? COMPILE : 'name it in "files"'}`];
    }),
  );
}

const shownPath = (dir: string, file: string): string => relative(dir, file).split(sep).join('/');

function ownModules({ dir }: Project, { modules }: PackageBundle): BundledModule[] {
  return modules.filter(({ file }) => packageOf(file)?.dir === dir);
}

const LOOKS_UP = /\b(?:createRequire|__require|import\.meta\.resolve)\b/;

/**
 * Dependencies that the built plugin would not find at run time: those that nothing imports, as drivers and presets are, and those that are
 * bundled while the plugin's own code looks them up by their names.
 */
function unseenDependencies(project: Project, bundled: PackageBundle): string[] {
  const { dir, json } = project;
  const inside = new Set(bundled.modules.map(({ file }) => packageOf(file)?.name));
  // An import of a bundled package is gone from the code: a name that still stands there is looked up.
  const own = ownModules(project, bundled).filter(({ code }) => LOOKS_UP.test(code));
  const lookUpOf = (name: string): BundledModule | undefined =>
    own.find(({ code }) => ['"', "'", '`'].some((quote) => code.includes(`${quote}${name}${quote}`) || code.includes(`${quote}${name}/`)));
  return declaredDependencies(json)
    .filter((name) => !bundled.excerpt.packages.has(`node_modules/${name}`) && !name.startsWith('@types/') && name !== 'chameleon-supervisor')
    .flatMap((name) => {
      const asker = lookUpOf(name);
      if (asker !== undefined) return [`${name} is looked up by its name in ${shownPath(dir, asker.file)}: build with --external ${name}`];
      if (inside.has(name)) return [];
      return [`${name} is a dependency that nothing imports: if it is loaded by its name at run time, build with --external ${name}`];
    });
}
