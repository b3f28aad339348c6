/**
 * The dependencies of one version, into its own `node_modules`: by `npm ci` from the lockfile that it brought along, without scripts but
 * for the packages that were named. What an archive has brought whole is left as it is.
 *
 * 1. npm sees neither the plugin's package.json nor its lockfile, but a project of our own that was made of them, in a folder of its own.
 * 2. Scripts run in that folder, before anything of the plugin's archive is put beside the packages.
 */
import { lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '../catalog/json-text.ts';
import { shown } from '../util/naming.ts';
import { Refused } from './entry-path.ts';
import { isPackageName, record } from './locked-entry.ts';
import { checkManifest, declaredDependencies, type Plan, planDependencies } from './lockfile.ts';
import { comparePackages, isFile, mergeModules, packagesIn, removeCommands } from './modules.ts';
import { npmProject } from './npm-project.ts';
import { npm, type NpmRun } from './npm.ts';
import { runScripts } from './scripts.ts';

export interface DependencyOptions extends NpmRun {
  /** A folder that is not there yet, for npm to work in: on the same file system as `cwd`. */
  workshop: string;
  /** Packages whose install scripts are run. */
  allowScripts: readonly string[];
}

/** npm's own order. */
const LOCKFILES = ['npm-shrinkwrap.json', 'package-lock.json'];
const MAX_LOCKFILE_BYTES = 64 * 2 ** 20;
// The registry is asked what it has: a version that a cached answer lacks would be missing, an optional one without a word.
const CI = ['ci', '--omit=dev', '--prefer-online', '--install-strategy=hoisted', '--package-lock=true', '--dry-run=false', '--bin-links=false'];
/** Newer npms keep to it as well; older ones do not know it, and say nothing. */
const NO_DETOURS = ['--allow-git=none', '--allow-file=none', '--allow-directory=none', '--allow-remote=none'];

/** Resolves with the names in `allowScripts` of which no script ran. Throws `Refused` for what npm must not be asked for, and `NpmError`. */
export async function installDependencies(options: DependencyOptions): Promise<string[]> {
  const { cwd: dir, allowScripts } = options;
  for (const name of allowScripts)
    if (!isPackageName(name)) throw new Refused(`cannot run the scripts of ${shown(name)}, which is no package's name`);
  const plan = await planFor(dir);
  if (plan === null) {
    await removeCommands(join(dir, 'node_modules'));
    return [...new Set(allowScripts)];
  }
  const unrun = await fetchPackages(plan, options);
  await comparePackages(dir, plan);
  await removeCommands(join(dir, 'node_modules'));
  return unrun;
}

/** Null when nothing is to be installed: there are no dependencies, or the archive has brought them. */
async function planFor(dir: string): Promise<Plan | null> {
  const manifest = record(await readJson(join(dir, 'package.json')));
  const { required, optional } = declaredDependencies(manifest);
  const along = new Set(await packagesIn(dir));
  if (required.length > 0 && required.every((name) => along.has(`node_modules/${name}`))) return null;
  const lockfile = await findLockfile(dir);
  if (lockfile === null) {
    if (required.length + optional.length === 0) return null;
    const names = [...required, ...optional].slice(0, 5).join(', ');
    throw new Refused(
      `depends on ${names} and has neither a lockfile nor them; ship npm-shrinkwrap.json (npm shrinkwrap), list them in bundleDependencies, or bundle the plugin (chameleon-supervisor build)`,
    );
  }
  checkManifest(manifest);
  const plan = planDependencies(manifest, await readJson(lockfile), (place) => along.has(place));
  return plan.packages.size === 0 ? null : plan;
}

/** Resolves with the names in `allowScripts` of which no script ran. */
async function fetchPackages(plan: Plan, options: DependencyOptions): Promise<string[]> {
  const { cwd: dir, workshop, allowScripts } = options;
  let unrun: string[] = [...new Set(allowScripts)];
  await mkdir(workshop);
  const project = npmProject(plan);
  if (project !== null) {
    await writeFile(join(workshop, 'package.json'), JSON.stringify(project.manifest));
    await writeFile(join(workshop, 'package-lock.json'), JSON.stringify(project.lockfile));
    await npm([...CI, ...NO_DETOURS], { ...options, cwd: workshop });
    // npm's notes on what it installed, by a lockfile that is not the plugin's and knows of no scripts.
    await rm(join(workshop, 'node_modules/.package-lock.json'), { force: true });
    if (allowScripts.length > 0) {
      const fetched = { ...plan, packages: new Map([...plan.packages].filter(([, { origin }]) => origin !== 'plugin')) };
      await comparePackages(workshop, fetched);
      unrun = await runScripts({ ...options, cwd: workshop }, allowScripts, fetched);
    }
  }
  const own = [...plan.packages].filter(([place, { origin }]) => origin === 'plugin' && !place.includes('/node_modules/'));
  await mergeModules(dir, join(workshop, 'node_modules'), own.map(([place]) => place), join(workshop, 'brought')); // prettier-ignore
  return unrun;
}

async function findLockfile(dir: string): Promise<string | null> {
  for (const name of LOCKFILES) if (await isFile(join(dir, name))) return join(dir, name);
  return null;
}

async function readJson(file: string): Promise<unknown> {
  const { size } = await lstat(file);
  if (size > MAX_LOCKFILE_BYTES) throw new Refused(`has a lockfile of more than ${MAX_LOCKFILE_BYTES} bytes`);
  try {
    return parseJson(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refused(`has a lockfile that is not JSON: ${error.message}`);
    throw error;
  }
}
