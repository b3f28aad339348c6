/**
 * `build`: a plugin's project → an archive that can be installed. Owns the order: what is wrong with the manifest is told before anything is
 * compiled, and nothing is written where the author looks before the plugin has been imported once.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SupervisorOptions } from '../index.ts';
import { adviceOn } from './advice.ts';
import { carriedFiles } from './carried.ts';
import { clientTypes } from './client-types.ts';
import { excerptLockfile } from './excerpt.ts';
import { readLockfile } from './lockfile.ts';
import { packageNameOf } from './outside.ts';
import { pack, type Packed } from './pack.ts';
import { bundlePackage, type PackageBundle } from './package-bundle.ts';
import { builtManifest } from './package-json.ts';
import { bundlePath, readProject } from './project.ts';
import { Stage } from './stage.ts';
import { checkMethods, declaredMethods, learnMethods } from './trial.ts';
import { withoutTemporaryPaths } from './temporary-paths.ts';

export interface BuildPluginOptions {
  /** The archive. Default: `<name>-<version>.tgz` in the current folder. */
  file?: string;
  /** Packages to leave outside of the bundle besides those that have to be, and those that package.json names. */
  external?: readonly string[];
  /** False takes the methods from package.json and runs nothing. Default: true. */
  run?: boolean;
  /** How a supervisor runs plugins: the plugin is started once, and its `init` may want its options. */
  supervisor?: Pick<SupervisorOptions, 'defaults' | 'plugins' | 'nodePath'>;
}

export interface BuildResult extends Packed {
  name: string;
  version: string;
  /** The archive, absolute. */
  file: string;
  /** In the archive, below `package/`. */
  files: string[];
  methods: string[];
  /** Packages that are not in the bundle but installed with it, by name. */
  dependencies: Record<string, string>;
  /** What the types of the client were told by; null when they are all `unknown`. */
  compiler: string | null;
  untyped: string[];
  /** In the compiler's own words, then a line for each package that may not work as it is; empty when there are none. */
  warnings: string;
}

const TYPES = 'client.d.ts';
const NO_BUNDLE: Omit<PackageBundle, 'excerpt'> = { code: '', outside: [], sources: [], modules: [], warnings: '', advice: [] };

/** Throws `ManifestInvalidError`, `BuildFailedError`, and what starting a plugin throws. */
export async function buildPlugin(dir: string, options: BuildPluginOptions = {}): Promise<BuildResult> {
  const { file, external = [], run = true, supervisor = {} } = options;
  const project = await readProject(dir);
  const { source, manifest } = project;
  const { name, version } = manifest;
  const declared = run ? null : declaredMethods(project);
  const named = new Set([...project.external, ...external].map(packageNameOf));
  const lockfile = await readLockfile(project.dir);
  const bundled =
    source === null
      ? { ...NO_BUNDLE, excerpt: excerptLockfile(project, lockfile, { outside: [], named: [...named] }) }
      : await bundlePackage({ ...project, source }, named, lockfile);
  const { excerpt } = bundled;
  const { dependencies } = excerpt;
  const carried = await carriedFiles(project);
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'chameleon-build-')));
  try {
    const stage = new Stage(folder);
    for (const path of carried) await stage.copy(join(project.dir, path), path);
    if (source !== null) await stage.write(bundlePath(source), bundled.code);
    if (excerpt.text !== '') await stage.write('package-lock.json', excerpt.text);
    await stage.write('package.json', builtManifest(project, { methods: null, dependencies }));
    const methods = declared ?? (await learnMethods({ project, stage, lockfile, excerpt, modules: bundled.modules, named, supervisor }));
    checkMethods(project, methods);
    const types = await clientTypes(project, methods);
    await stage.write(TYPES, types.text);
    await stage.write('package.json', builtManifest(project, { methods, dependencies, types: TYPES }));
    const target = resolve(file ?? `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
    const packed = await pack(folder, stage.files, target);
    const { compiler, untyped } = types;
    const advice = adviceOn({ project, bundled, named, lockfile, files: stage.files });
    const warnings = [bundled.warnings, ...advice.map((line) => `${line}\n`)].join('');
    return { name, version, file: target, ...packed, files: stage.files, methods, dependencies, compiler, untyped, warnings };
  } catch (error) {
    throw withoutTemporaryPaths(error, folder, project.dir);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
