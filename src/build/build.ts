/**
 * `build`: a plugin's project → an archive that can be installed. Owns the order: what is wrong with the manifest is told before anything is
 * compiled, and nothing is written where the author looks before the plugin has run once.
 */
import { chmod, copyFile, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { BuildFailedError } from '../build-errors.ts';
import { ManifestInvalidError } from '../errors.ts';
import { createSupervisor, type SupervisorOptions } from '../index.ts';
import { bundle, type Bundle } from './bundle.ts';
import { carriedFiles } from './carried.ts';
import { clientTypes } from './client-types.ts';
import { excerptLockfile, type Excerpt } from './lockfile.ts';
import { pack, type Packed } from './pack.ts';
import { builtManifest } from './package-json.ts';
import { bundlePath, readProject, type Project } from './project.ts';

export interface BuildPluginOptions {
  /** The archive. Default: `<name>-<version>.tgz` in the current folder. */
  file?: string;
  /** Packages to leave outside of the bundle besides those that have to be. */
  external?: readonly string[];
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
  /** In the compiler's own words; empty when there are none. */
  warnings: string;
}

const TYPES = 'client.d.ts';
const NOTHING: Bundle & Excerpt = { code: '', outside: [], sources: [], warnings: '', dependencies: {}, text: '' };

/** Throws `ManifestInvalidError`, `BuildFailedError`, and what starting a plugin throws. */
export async function buildPlugin(dir: string, { file, external = [], supervisor = {} }: BuildPluginOptions = {}): Promise<BuildResult> {
  const project = await readProject(dir);
  const { source, manifest } = project;
  const { name, version } = manifest;
  const bundled = source === null ? NOTHING : await bundle({ ...project, source }, { external });
  const { dependencies, text } = bundled.outside.length === 0 ? NOTHING : await excerptLockfile(project, bundled.outside);
  const carried = await carriedFiles(project);
  const folder = await mkdtemp(join(tmpdir(), 'chameleon-build-'));
  try {
    const stage = new Stage(folder);
    for (const path of carried) await stage.copy(join(project.dir, path), path);
    if (source !== null) await stage.write(bundlePath(source), bundled.code);
    if (text !== '') await stage.write('package-lock.json', text);
    await stage.write('package.json', builtManifest(project, { methods: null, dependencies }));
    const methods = await learn(project, folder, supervisor);
    const types = await clientTypes(project, methods);
    await stage.write(TYPES, types.text);
    await stage.write('package.json', builtManifest(project, { methods, dependencies, types: TYPES }));
    const target = resolve(file ?? `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
    const packed = await pack(folder, stage.files, target);
    const { compiler, untyped } = types;
    return { name, version, file: target, ...packed, files: stage.files, methods, dependencies, compiler, untyped, warnings: bundled.warnings };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Starts what will be packed in a real child, where it finds the packages that the project has installed. */
async function learn({ dir, manifest }: Project, folder: string, options: SupervisorOptions): Promise<string[]> {
  const { name, version } = manifest;
  await symlink(join(dir, 'node_modules'), join(folder, 'node_modules'), 'junction');
  const supervisor = await createSupervisor(options);
  let methods: string[];
  try {
    await supervisor.load(folder);
    methods = supervisor.methods(name).sort();
  } finally {
    await supervisor.close();
  }
  if (methods.length === 0) throw new BuildFailedError(`${name} is of no use`, [{ path: 'methods', message: 'are none; a host could call nothing' }]);
  const issues = Object.keys(manifest.methods)
    .filter((declared) => !methods.includes(declared))
    .map((declared) => ({ path: `chameleon.methods.${declared}`, message: `the plugin has no such method; there is ${methods.join(', ')}` }));
  if (issues.length > 0) throw new ManifestInvalidError(join(dir, 'package.json'), issues, { plugin: name, version });
  return methods;
}

/** The folder that is packed: what was put there on purpose, whatever else a plugin leaves when it runs. */
class Stage {
  readonly #dir: string;
  readonly #files = new Set<string>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  get files(): string[] {
    return [...this.#files].sort();
  }

  async write(path: string, text: string): Promise<void> {
    await this.#put(path, (target) => writeFile(target, text), false);
  }

  async copy(from: string, path: string): Promise<void> {
    const executable = ((await stat(from)).mode & 0o100) !== 0;
    await this.#put(path, (target) => copyFile(from, target), executable);
  }

  async #put(path: string, put: (target: string) => Promise<void>, executable: boolean): Promise<void> {
    const target = join(this.#dir, path);
    await mkdir(dirname(target), { recursive: true });
    await put(target);
    await chmod(target, executable ? 0o755 : 0o644);
    this.#files.add(path);
  }
}
