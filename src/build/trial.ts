/**
 * A trial of what will be packed: imports it in a real child that can reach the packages that will be installed with it, and no others, and asks
 * for its methods. `init` does not run, because it may connect to a database, listen on a port or start jobs.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildFailedError } from '../build-errors.ts';
import { HandshakeError, ManifestInvalidError, StartFailedError, StartTimeoutError } from '../errors.ts';
import { createSupervisor, type SupervisorOptions } from '../index.ts';
import type { Excerpt } from './excerpt.ts';
import type { Lockfile } from './lockfile.ts';
import { moduleAt, type BundledModule } from './modules.ts';
import { findPackage, packageNameOf, packageOf, readPackage } from './outside.ts';
import { builtManifest } from './package-json.ts';
import { bundlePath, declaredDependencies, type Project } from './project.ts';
import type { Stage } from './stage.ts';

export interface Trial {
  project: Project;
  stage: Stage;
  lockfile: Lockfile | null;
  excerpt: Excerpt;
  modules: readonly BundledModule[];
  /** Names that the author has left outside, installed or not. */
  named: ReadonlySet<string>;
  supervisor: SupervisorOptions;
}

/** The entry of the trial: it hands on the methods of the plugin, and none of its hooks. */
const ENTRY = '.chameleon-methods.js';
const entryFor = (main: string): string => `import * as entry from ${JSON.stringify(`./${main}`)};
let plugin = entry;
for (let depth = 0; depth < 2 && isObject(plugin) && !('methods' in plugin) && 'default' in plugin; depth++) plugin = plugin.default;
export default isObject(plugin) && 'methods' in plugin ? { methods: plugin.methods } : plugin;
function isObject(value) { return typeof value === 'object' && value !== null; }
`;

/** Sorted. Throws `BuildFailedError`, `ManifestInvalidError`, and the errors of starting a plugin. */
export async function learnMethods(trial: Trial): Promise<string[]> {
  const { project, stage, supervisor: options } = trial;
  const { name } = project.manifest;
  await lendPackages(trial);
  if (project.source !== null) {
    await writeFile(join(stage.dir, ENTRY), entryFor(bundlePath(project.source)));
    await writeFile(join(stage.dir, 'package.json'), builtManifest(project, { methods: null, main: ENTRY }));
  }
  // Only this user can reach the stage, whatever the modes of the author's files.
  const supervisor = await createSupervisor({ ...options, strictModes: false });
  try {
    await supervisor.load(stage.dir);
    return supervisor.methods(name).sort();
  } catch (error) {
    throw retold(error, trial);
  } finally {
    await supervisor.close();
  }
}

/** Methods that package.json declares. Throws `BuildFailedError` where it declares none. */
export function declaredMethods({ manifest }: Project): string[] {
  const methods = Object.keys(manifest.methods).sort();
  if (methods.length > 0) return methods;
  const message = 'is missing: without a run the methods are those that package.json declares';
  throw new BuildFailedError(`${manifest.name} cannot be packed`, [{ path: 'chameleon.methods', message }]);
}

/** Throws where the plugin has no methods, or lacks one that package.json declares. */
export function checkMethods({ dir, manifest }: Project, methods: readonly string[]): void {
  const { name, version } = manifest;
  if (methods.length === 0) throw new BuildFailedError(`${name} is of no use`, [{ path: 'methods', message: 'are none; a host could call nothing' }]);
  const issues = Object.keys(manifest.methods)
    .filter((declared) => !methods.includes(declared))
    .map((declared) => ({ path: `chameleon.methods.${declared}`, message: `the plugin has no such method; there is ${methods.join(', ')}` }));
  if (issues.length > 0) throw new ManifestInvalidError(join(dir, 'package.json'), issues, { plugin: name, version });
}

/** Throws `BuildFailedError` where the author has installed another version than the lockfile names. */
async function lendPackages({ project, stage, lockfile, excerpt }: Trial): Promise<void> {
  if (lockfile === null) return;
  await mkdir(join(stage.dir, 'node_modules'), { recursive: true });
  for (const [place, { from, locked }] of excerpt.packages) {
    const dir = join(lockfile.root, from);
    const installed = readPackage(dir)?.version;
    // A package for another platform is not installed here. The trial tells of any other that it misses.
    if (installed === undefined) continue;
    if (installed !== locked.version) {
      const message = `${installed} is installed, package-lock.json has ${locked.version}; run npm ci in ${lockfile.root}`;
      throw new BuildFailedError(`${project.manifest.name} cannot be packed`, [{ path: from, message }]);
    }
    await stage.lend(dir, place);
  }
}

/** The same error, without the folder of the trial, and with the package that it is about. */
function retold(error: unknown, trial: Trial): unknown {
  if (!(error instanceof StartFailedError || error instanceof StartTimeoutError || error instanceof HandshakeError)) return error;
  const { project, stage } = trial;
  const { name, version } = project.manifest;
  const plain = (text: string): string =>
    [`file://${stage.dir}/`, `${stage.dir}/`, stage.dir]
      .reduce((left, path) => left.replaceAll(path, ''), text)
      .replaceAll(ENTRY, project.source === null ? ENTRY : bundlePath(project.source));
  const { phase, exit, stderrTail, hint } = error;
  const [told] = error.message.split('\n  hint: ') as [string];
  const what = plain(told.replace(`${name}@${version} `, '').replace(/ \(phase \w+\)$/, ''));
  // The message has no stack; the error of the plugin itself tells in which package it was thrown.
  const thrown = error.cause instanceof Error ? (error.cause.stack ?? '') : '';
  const facts = { phase, exit, stderrTail: plain(stderrTail), hint: adviceFor([told, thrown, stderrTail].join('\n'), trial) ?? hint, cause: error };
  const Kind = error.constructor as typeof StartFailedError;
  return new Kind(what, { plugin: name, version }, facts);
}

/** The step that mends a start which a package made fail; null where no package is to blame. */
function adviceFor(text: string, trial: Trial): string | null {
  const { project, lockfile, excerpt, modules, named } = trial;
  const leaveOut = (name: string): string => `build with --external ${name}, or name it in package.json: "chameleon": { "external": ["${name}"] }`;
  const isOutside = (name: string): boolean => excerpt.packages.has(`node_modules/${name}`);
  const missing = /Cannot find (?:module|package) '([^'./][^']*)'/.exec(text)?.[1];
  if (missing !== undefined) {
    const name = packageNameOf(missing);
    if (isOutside(name)) return `${name} is not installed: run npm ci in ${lockfile?.root ?? project.dir}`;
    if (findPackage(project.dir, name) === null) return `${name} is not installed: npm install ${name}`;
    if (named.has(name)) return `${name} is no dependency of the plugin: npm install ${name}`;
    return `${name} is looked for at run time, and is neither in the bundle nor installed with it: ${leaveOut(name)}`;
  }
  const isQuoted = (name: string): boolean => [`'${name}'`, `"${name}"`, `\`${name}\``].some((quoted) => text.includes(quoted));
  const mentioned = declaredDependencies(project.json).find((name) => !isOutside(name) && isQuoted(name));
  if (mentioned !== undefined) return `${mentioned} is looked for at run time, and is not installed with the plugin: ${leaveOut(mentioned)}`;
  const culprit = culpritIn(text, project, modules);
  return culprit === null ? null : `${culprit} does not work inside a bundle: ${leaveOut(culprit)}`;
}

/** The bundled package in which the error was thrown. */
function culpritIn(text: string, { source, dir }: Project, modules: readonly BundledModule[]): string | null {
  if (source === null) return null;
  for (const [, file, line] of text.matchAll(/([^\s()]+):(\d+):\d+/g)) {
    if (!file!.endsWith(`/${bundlePath(source)}`)) continue;
    const owner = packageOf(moduleAt(modules, Number(line))?.file ?? '/');
    if (owner !== null && owner.dir !== dir) return owner.name;
  }
  return null;
}
