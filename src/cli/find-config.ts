/**
 * Where the configuration file is. Looks at names and owners only; config-file.ts reads it.
 *
 * 1. The search goes from a folder upwards and ends with the home folder, the root, or a folder that holds `.git`.
 * 2. A configuration names what is executed, so one that somebody else could change is never used.
 */
import { homedir } from 'node:os';
import path from 'node:path';
import { lstat, realpath } from 'node:fs/promises';
import { findOtherWriter } from '../util/other-writers.ts';

export const CONFIG_KINDS = ['.ts', '.mjs', '.js', '.json'] as const;

const PLACES = ['', '.config/'].flatMap((folder) => CONFIG_KINDS.map((kind) => `${folder}chameleon.config${kind}`));

/** A file that is not to be used. Not an error of the library, which the commands that only ask a supervisor do not load. */
export class ConfigRefused extends Error {
  readonly file: string;
  constructor(file: string, message: string) {
    super(message);
    this.file = file;
  }
}

/** The nearest one from `cwd` upwards, whoever wrote it. Throws `ConfigRefused` where one folder has two. */
export async function findConfig(cwd: string, except?: string): Promise<string | null> {
  const last = await lastFolder();
  for (let folder = path.resolve(cwd); ; folder = path.dirname(folder)) {
    if (except === undefined || !isWithin(folder, except)) {
      const found = await existing(folder, PLACES);
      if (found.length > 1) throw new ConfigRefused(folder, `${found.join(' and ')} are both there; keep one of them`);
      if (found.length === 1) return path.join(folder, found[0]!);
    }
    const isLast = folder === path.dirname(folder) || last.includes(folder) || (await existing(folder, ['.git'])).length > 0; // Keeps 1.
    if (isLast) return null;
  }
}

/** Throws `ConfigRefused` if anybody but this user and root could change `file`. Keeps 2. */
export async function refuseForeign(file: string): Promise<void> {
  const reason = await findOtherWriter(file).catch(() => null);
  if (reason === null) return;
  const rule = 'it and every folder that leads to it have to belong to this user or root, and no other user may write to them';
  throw new ConfigRefused(file, `is not used, because ${reason}; ${rule} (chown, chmod), or name another file with --config`);
}

/** The folder that a configuration file stands for: its own, or the one above `.config`. */
export function baseDirOf(file: string): string {
  const folder = path.dirname(file);
  return path.basename(folder) === '.config' ? path.dirname(folder) : folder;
}

/** Home may be named through a link, while a working folder has none. */
async function lastFolder(): Promise<string[]> {
  const home = homedir();
  return [home, await realpath(home).catch(() => home)];
}

/** A link that leads nowhere, and a folder of that name, are there too: they are refused later, not passed over. */
async function existing(folder: string, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => lstat(path.join(folder, name)).then(() => true, () => false))); // prettier-ignore
  return names.filter((_, at) => found[at]);
}

function isWithin(folder: string, above: string): boolean {
  const inside = path.relative(above, folder);
  return inside === '' || (!inside.startsWith(`..${path.sep}`) && inside !== '..' && !path.isAbsolute(inside));
}
