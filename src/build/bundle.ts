/**
 * Source → one ES module, by esbuild. What a bundle cannot take in is left outside and named.
 *
 * 1. The same input gives the same text: it holds no path of this machine, unless a source map was asked for.
 * 2. `chameleon-supervisor/plugin` is always taken from this package, whether the plugin has it installed or not.
 */
import { readFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import { join, resolve, sep } from 'node:path';
import type { BuildFailure, BuildOptions, BuildResult, Message, OnResolveArgs, Plugin } from 'esbuild';
import { BuildFailedError } from '../build-errors.ts';
import { nativeFinder, packageOf } from './outside.ts';
import type { Project } from './project.ts';

export interface Bundle {
  code: string;
  /** Names of the packages that were left outside, sorted. */
  outside: string[];
  /** Absolute paths of the sources that are the author's own: none below a `node_modules`. */
  sources: string[];
  /** In esbuild's own words. */
  warnings: string;
}

export interface BundleOptions {
  /** Names of packages to leave outside besides those that have to be. */
  external?: readonly string[];
  /** Where the bundle will stand: it then carries a map that leads from there to the sources. */
  mappedAt?: string;
}

export interface Bundler {
  /** Builds; what has not changed since the last time is not read again. Throws `BuildFailedError`. */
  build(): Promise<Bundle>;
  dispose(): Promise<void>;
}

/** What CommonJS modules expect to find, which a bundle of ES modules does not have by itself. */
const BANNER = [
  "import { createRequire as __chameleon_createRequire } from 'node:module';",
  'const require = __chameleon_createRequire(import.meta.url), { dirname: __chameleon_dirname, filename: __chameleon_filename } = import.meta;',
].join('\n');
const OURS = 'chameleon-supervisor/plugin';

export async function openBundler(project: Project & { source: string }, { external = [], mappedAt }: BundleOptions = {}): Promise<Bundler> {
  const { context, formatMessages } = await import('esbuild');
  const outside = new Set<string>();
  const options = {
    absWorkingDir: project.dir,
    entryPoints: [`./${project.source}`],
    outfile: mappedAt ?? join(project.dir, 'bundle.js'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    charset: 'utf8',
    sourcemap: mappedAt === undefined ? false : 'inline',
    sourcesContent: false,
    banner: { js: BANNER },
    define: { __dirname: '__chameleon_dirname', __filename: '__chameleon_filename' },
    plugins: [leaveOutside(project.dir, new Set(external), outside), takeOurs],
    metafile: true,
    write: false,
    logLevel: 'silent',
  } satisfies BuildOptions;
  const told = async (messages: Message[], kind: 'error' | 'warning'): Promise<string> => (await formatMessages(messages, { kind })).join('');
  const builder = await context(options);
  return {
    async build() {
      outside.clear();
      let result: BuildResult<typeof options>;
      try {
        result = await builder.rebuild();
      } catch (error) {
        if (!isBuildFailure(error)) throw error;
        throw new BuildFailedError(`${project.manifest.name} does not build`, error.errors.map(issueOf), await told(error.errors, 'error'));
      }
      const sources = Object.keys(result.metafile.inputs)
        .filter((input) => !/^[\w-]+:/.test(input))
        .map((input) => resolve(project.dir, input))
        .filter((path) => !path.includes(`${sep}node_modules${sep}`));
      return { code: result.outputFiles[0]!.text, outside: [...outside].sort(), sources, warnings: await told(result.warnings, 'warning') };
    },
    dispose: () => builder.dispose(),
  };
}

/** Bundles once. */
export async function bundle(project: Project & { source: string }, options?: BundleOptions): Promise<Bundle> {
  const bundler = await openBundler(project, options);
  try {
    return await bundler.build();
  } finally {
    await bundler.dispose();
  }
}

function leaveOutside(dir: string, named: ReadonlySet<string>, outside: Set<string>): Plugin {
  const isNative = nativeFinder();
  const again = Symbol('asked by ourselves');
  return {
    name: 'leave-outside',
    setup(build) {
      build.onResolve({ filter: /^[^./#]/ }, async ({ path, pluginData, ...args }: OnResolveArgs) => {
        if (pluginData === again || args.kind === 'entry-point' || isBuiltin(path) || path === OURS) return undefined;
        const found = await build.resolve(path, { ...args, pluginData: again });
        // Asked for once more by esbuild itself, whose words for it are better.
        if (found.errors.length > 0) return undefined;
        const owner = found.external || found.namespace !== 'file' ? null : packageOf(found.path);
        if (owner === null || owner.dir === dir || !(named.has(owner.name) || isNative(owner.dir))) {
          return { path: found.path, external: found.external, namespace: found.namespace, suffix: found.suffix, sideEffects: found.sideEffects };
        }
        outside.add(owner.name);
        return { path, external: true };
      });
    },
  };
}

/** Keeps 2. */
const takeOurs: Plugin = {
  name: 'take-ours',
  setup(build) {
    build.onResolve({ filter: new RegExp(`^${OURS}$`) }, () => ({ path: 'plugin', namespace: 'chameleon-supervisor', sideEffects: false }));
    build.onLoad({ filter: /^plugin$/, namespace: 'chameleon-supervisor' }, async () => ({
      contents: await readFile(createRequire(import.meta.url).resolve(OURS), 'utf8'),
    }));
  },
};

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors);
}

function issueOf({ text, location }: Message): { path: string; message: string } {
  return { path: location === null ? '' : `${location.file}:${location.line}:${location.column + 1}`, message: text };
}
