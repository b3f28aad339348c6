/**
 * The part of the bundler that leaves packages outside, and has the bundle import them so that they are found, and behave, as if they were inside.
 *
 * 1. A path that stays inside is resolved by esbuild alone: it forgets the tsconfig.json of a module whose path a plugin has resolved.
 * 2. A CommonJS package has all of its exports as names, as it has them in a bundle; Node itself finds only some.
 */
import { isBuiltin } from 'node:module';
import { relative, sep } from 'node:path';
import type { OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from 'esbuild';
import { isEsModule, packageNameOf, packageOf, readPackage, type PackageFolder } from './outside.ts';

/** A package that the bundle imports. */
export interface OutsidePackage extends PackageFolder {
  /** Folders of the bundled packages that import it. */
  readonly importers: ReadonlySet<string>;
}

export interface LeavingOutside {
  /** The plugin's own folder. */
  readonly dir: string;
  /** Names of packages that stay outside whether they are installed or not. */
  readonly named: ReadonlySet<string>;
  /** True for another package that stays outside. `file` is the module that is imported. */
  staysOutside(found: PackageFolder, file: string): boolean;
}

const ASKED_BY_US = Symbol('asked by ourselves');
/** Virtual modules: a CommonJS package as the bundle sees it, and its `module.exports`. */
const PACKAGE = 'outside';
const EXPORTS = 'outside-exports';

/** Adds each package that was left outside to `found`, by its folder. */
export function leaveOutside({ dir, named, staysOutside }: LeavingOutside, found: Map<string, OutsidePackage & { importers: Set<string> }>): Plugin {
  return {
    name: 'leave-outside',
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, async (args: OnResolveArgs): Promise<OnResolveResult | undefined> => {
        const { path, namespace, kind } = args;
        if (namespace === EXPORTS || (namespace === PACKAGE && !path.startsWith(`${EXPORTS}:`))) return { path, external: true };
        if (namespace === PACKAGE) return { path: path.slice(EXPORTS.length + 1), namespace: EXPORTS };
        if (args.pluginData === ASKED_BY_US || kind === 'entry-point' || isBuiltin(path)) return undefined;
        const resolved = await build.resolve(path, { ...asked(args), pluginData: ASKED_BY_US });
        const isNamed = named.has(packageNameOf(path));
        // esbuild resolves it once more by itself: its own message is better.
        if (resolved.errors.length > 0) return isNamed ? { path, external: true } : undefined;
        if (resolved.external || resolved.namespace !== 'file') return undefined;
        const owner = packageOf(resolved.path);
        if (owner === null || owner.dir === dir) return undefined;
        if (!isNamed && !named.has(owner.name) && !staysOutside(owner, resolved.path)) return undefined; // Keeps 1.
        const entry = found.get(owner.dir) ?? { ...owner, importers: new Set() };
        const importer = packageOf(args.importer);
        if (importer !== null && importer.dir !== dir) entry.importers.add(importer.dir);
        found.set(owner.dir, entry);
        const outside = await pathFromOutside(build, args, owner, resolved.path);
        const isImport = kind === 'import-statement' || kind === 'dynamic-import';
        if (!isImport || isEsModule(resolved.path)) return { path: outside, external: true };
        const suffix = kind === 'dynamic-import' || !/\.c?js$/.test(resolved.path) ? '?require' : '';
        return { path: outside + suffix, namespace: PACKAGE }; // Keeps 2.
      });
      build.onLoad({ filter: /./, namespace: PACKAGE }, ({ path }) => {
        const specifier = path.replace(/\?require$/, '');
        const required = specifier === path ? `require(${JSON.stringify(`${EXPORTS}:${path}`)}).default` : `require(${JSON.stringify(specifier)})`;
        return { contents: `module.exports = ${required};` };
      });
      build.onLoad({ filter: /./, namespace: EXPORTS }, ({ path }) => ({ contents: `export { default } from ${JSON.stringify(path)};` }));
    },
  };
}

function asked({ importer, namespace, resolveDir, kind, with: attributes }: OnResolveArgs): Omit<OnResolveArgs, 'path' | 'pluginData'> {
  return { importer, namespace, resolveDir, kind, with: attributes };
}

/** A specifier by which Node finds the module from the bundle: aliases of a tsconfig.json are unknown there, and files need their extension. */
async function pathFromOutside(build: PluginBuild, args: OnResolveArgs, { name, dir }: PackageFolder, file: string): Promise<string> {
  const hasExports = readPackage(dir)?.exports !== undefined;
  const isPlain = args.path === name;
  if (packageNameOf(args.path) === name && (isPlain || hasExports)) return args.path;
  const main = await build.resolve(name, { ...asked(args), pluginData: ASKED_BY_US });
  return main.path === file ? name : `${name}/${relative(dir, file).split(sep).join('/')}`;
}
