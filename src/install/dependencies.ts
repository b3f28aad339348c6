/**
 * The dependencies of one version, into its own `node_modules`: by `npm ci` from the lockfile that it brought along, without scripts but
 * for the packages that were named. What an archive has brought whole is left as it is.
 */
import { lstat, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '../catalog/json-text.ts';
import { shown } from '../util/naming.ts';
import { Refused } from './entry-path.ts';
import { checkLockfile, checkManifest, declaredDependencies, isPackageName } from './lockfile.ts';
import { npm, type NpmRun } from './npm.ts';

export interface DependencyOptions extends NpmRun {
  /** Packages whose install scripts are run. */
  allowScripts: readonly string[];
}

/** npm's own order. */
const LOCKFILES = ['npm-shrinkwrap.json', 'package-lock.json'];
const MAX_LOCKFILE_BYTES = 64 * 2 ** 20;
const CI = ['ci', '--omit=dev', '--prefer-offline', '--install-strategy=hoisted', '--package-lock=true', '--dry-run=false'];
/** Newer npms keep to it as well; older ones do not know it, and say nothing. */
const NO_DETOURS = ['--allow-git=none', '--allow-file=none', '--allow-directory=none', '--allow-remote=none'];

/** Resolves with whether npm was needed. Throws `Refused` for what npm must not be asked for, and `NpmError`. */
export async function installDependencies(options: DependencyOptions): Promise<boolean> {
  const { cwd: dir, allowScripts } = options;
  for (const name of allowScripts)
    if (!isPackageName(name)) throw new Refused(`cannot run the scripts of ${shown(name)}, which is no package's name`);
  const manifest = (await readJson(join(dir, 'package.json'))) as Record<string, unknown>;
  const { required, optional } = declaredDependencies(manifest);
  const hasBundle = required.length > 0 && (await areAllThere(dir, required));
  if (!hasBundle) {
    const lockfile = await findLockfile(dir);
    if (lockfile === null) {
      if (required.length + optional.length === 0) return false;
      const names = [...required, ...optional].slice(0, 5).join(', ');
      throw new Refused(
        `depends on ${names} and has neither a lockfile nor them; ship npm-shrinkwrap.json (npm shrinkwrap), list them in bundleDependencies, or bundle the plugin (chameleon-supervisor build)`,
      );
    }
    checkManifest(manifest);
    const locked = checkLockfile(manifest, await readJson(lockfile));
    if (locked.length + required.length + optional.length === 0) return false;
    // Scripts may need each other's commands; without scripts nobody does.
    await npm([...CI, ...NO_DETOURS, `--bin-links=${allowScripts.length > 0}`], options);
  }
  if (allowScripts.length > 0) {
    const present = await existing(dir, allowScripts);
    if (present.length > 0) await rebuild(present, options);
  }
  await removeCommands(join(dir, 'node_modules'));
  return true;
}

/** Newer npms ask a configuration of the project which scripts may run, and take no flag for it. The package itself may bring none. */
async function rebuild(names: readonly string[], options: DependencyOptions): Promise<void> {
  const config = join(options.cwd, '.npmrc');
  await writeFile(config, `allow-scripts=${names.join(',')}\n`, { flag: 'wx' });
  try {
    await npm(['rebuild', ...names], { ...options, scripts: true });
  } finally {
    await rm(config);
  }
}

async function areAllThere(dir: string, names: readonly string[]): Promise<boolean> {
  return (await existing(dir, names)).length === names.length;
}

async function existing(dir: string, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => isFile(join(dir, 'node_modules', name, 'package.json'))));
  return names.filter((_, at) => found[at]);
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

/** Links, the only ones that npm makes here: a version holds none, so that its files are its own. */
async function removeCommands(modules: string): Promise<void> {
  for (const entry of await readdir(modules, { withFileTypes: true }).catch(() => [])) {
    const path = join(modules, entry.name);
    if (entry.name === '.bin') await rm(path, { recursive: true, force: true });
    else if (entry.isDirectory() && entry.name.startsWith('@')) {
      for (const scoped of await readdir(path)) await removeCommands(join(path, scoped, 'node_modules'));
    } else if (entry.isDirectory()) await removeCommands(join(path, 'node_modules'));
  }
}

const isFile = (path: string): Promise<boolean> =>
  lstat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
