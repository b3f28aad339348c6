/**
 * Source → one ES module, by esbuild. A package that the bundle does not take in is left outside and named.
 *
 * 1. The same input gives the same text: it holds no path of this machine, unless a source map was asked for.
 * 2. `chameleon-supervisor/plugin` is always taken from this package, whether the plugin has it installed or not.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import type { BuildFailure, BuildOptions, BuildResult, Message, PartialMessage, Plugin } from 'esbuild';
import { BuildFailedError } from '../build-errors.ts';
import { leaveOutside, type LeavingOutside, type OutsidePackage } from './leave-outside.ts';
import { lostMetadata } from './metadata.ts';
import { modulesOf, type BundledModule } from './modules.ts';
import { findPackage, loadsAsItIs, packageNameOf, packageOf } from './outside.ts';
import { DIRNAME, FILENAME } from './own-files.ts';
import type { Project } from './project.ts';

export interface Bundle {
  code: string;
  /** The packages that were left outside and are installed, sorted by name. */
  outside: OutsidePackage[];
  /** Absolute paths of the sources that are the author's own: none below a `node_modules`. */
  sources: string[];
  modules: BundledModule[];
  /** In esbuild's own words. */
  warnings: string;
}

export interface BundleOptions extends Pick<LeavingOutside, 'named' | 'staysOutside'> {
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
  `const require = __chameleon_createRequire(import.meta.url), { dirname: ${DIRNAME}, filename: ${FILENAME} } = import.meta;`,
].join('\n');
const OURS = 'chameleon-supervisor/plugin';

export async function openBundler(project: Project & { source: string }, { named, staysOutside, mappedAt }: BundleOptions): Promise<Bundler> {
  const { context, formatMessages } = await import('esbuild');
  const { dir, manifest } = project;
  const outside = new Map<string, OutsidePackage & { importers: Set<string> }>();
  const options = {
    absWorkingDir: dir,
    entryPoints: [`./${project.source}`],
    outfile: mappedAt ?? join(dir, 'bundle.js'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    charset: 'utf8',
    // Two classes of one name keep it: error names and tables in databases are made of it.
    keepNames: true,
    sourcemap: mappedAt === undefined ? false : 'inline',
    sourcesContent: false,
    banner: { js: BANNER },
    define: { __dirname: DIRNAME, __filename: FILENAME },
    plugins: [takeOurs, leaveOutside({ dir, named, staysOutside }, outside)],
    metafile: true,
    write: false,
    logLevel: 'silent',
  } satisfies BuildOptions;
  const told = async (messages: PartialMessage[], kind: 'error' | 'warning'): Promise<string> => (await formatMessages(messages, { kind })).join('');
  const builder = await context(options);
  return {
    async build() {
      outside.clear();
      let result: BuildResult<typeof options>;
      try {
        result = await builder.rebuild();
      } catch (error) {
        if (!isBuildFailure(error)) throw error;
        const errors = error.errors.map((message) => withOurAdvice(message, dir));
        throw new BuildFailedError(`${manifest.name} does not build`, error.errors.map(issueOf), await told(errors, 'error'));
      }
      const inputs = Object.keys(result.metafile.inputs).filter((input) => !/^[\w-]+:/.test(input));
      const code = result.outputFiles[0]!.text;
      const modules = modulesOf(code, new Set(inputs), dir);
      const lost = lostMetadata(modules, dir);
      if (lost.length > 0) throw new BuildFailedError(`${manifest.name} cannot be bundled`, lost);
      return {
        code,
        modules,
        outside: [...outside.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
        sources: inputs.map((input) => resolve(dir, input)).filter((path) => !path.includes(`${sep}node_modules${sep}`)),
        warnings: await told(result.warnings, 'warning'),
      };
    },
    dispose: () => builder.dispose(),
  };
}

/** For development: only the author's own modules are bundled, and each package runs from where it is installed. */
export function openOwnBundler(project: Project & { source: string }, mappedAt: string): Promise<Bundler> {
  const named = new Set(project.external.map(packageNameOf));
  return openBundler(project, { named, staysOutside: (_, file) => loadsAsItIs(file), mappedAt });
}

/** Bundles the author's own modules once. */
export async function bundleOwn(project: Project & { source: string }, mappedAt: string): Promise<Bundle> {
  const bundler = await openOwnBundler(project, mappedAt);
  try {
    return await bundler.build();
  } finally {
    await bundler.dispose();
  }
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

/** esbuild advises to mark a package as external, and a plugin would then start without it. */
function withOurAdvice(message: Message, dir: string): PartialMessage {
  const importer = message.location === null ? null : resolve(dir, message.location.file);
  const owner = importer?.includes(`${sep}node_modules${sep}`) === true ? packageOf(importer) : null;
  const [, path] = /^Could not resolve "([^"./#][^"]*)"/.exec(message.text) ?? [];
  const advice: string[] = [];
  if (path !== undefined) {
    const name = packageNameOf(path);
    const isInstalled = findPackage(importer === null ? dir : dirname(importer), name) !== null;
    advice.push(isInstalled ? `${name} is installed and has no such module` : `${name} is not installed: npm install ${name}`);
  }
  if (owner !== null) advice.push(`to install ${owner.name} with the plugin instead of bundling it: --external ${owner.name}`);
  const notes = message.notes.filter(({ text }) => !/as external/.test(text));
  return { ...message, notes: [...notes, ...advice.map((text) => ({ text }))] };
}
