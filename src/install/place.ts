/**
 * A finished folder into its place under the plugin folder, and out of it: each by one rename.
 *
 * 1. A version is there whole or not at all, whenever this is interrupted.
 * 2. Nothing is ever put outside the plugin folder: folders on the way are real ones.
 */
import { lstat, rename, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../util/sync-folder.ts';
import { openStaging } from './staging.ts';

const MAX_ATTEMPTS = 20;

/**
 * Moves `<tree>/<name>/<version>` to `<pluginDir>/<name>/<version>`; false when that is taken, and then nothing has changed. The topmost
 * folder that is not there yet is what is renamed, so that no empty folder is ever seen.
 */
export async function place(tree: string, pluginDir: string, name: string, version: string): Promise<boolean> {
  const steps = [...name.split('/'), version];
  const levels = steps.map((_, at) => join(...steps.slice(0, at + 1)));
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const outcome = await tryLevels(tree, pluginDir, levels);
    // A folder on the way was removed meanwhile, since it had become empty.
    if (outcome !== 'again') return outcome === 'placed';
  }
  throw new Error(`${join(pluginDir, name)} comes and goes`);
}

async function tryLevels(tree: string, pluginDir: string, levels: readonly string[]): Promise<'placed' | 'taken' | 'again'> {
  for (const level of levels) {
    const target = join(pluginDir, level);
    try {
      await rename(join(tree, level), target);
      await syncFolder(dirname(target));
      return 'placed';
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return 'again';
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
    // Keeps 2: a link to a folder would not be replaced by the rename, but gone through by the next.
    const stats = await lstat(target).catch(() => null);
    if (stats === null) return 'again';
    if (!stats.isDirectory()) throw new Error(`${target} is not a folder`);
  }
  return 'taken';
}

/** Takes a version's folder away by one rename, then removes it; resolves once it is gone. False when it was not there. */
export async function takeAway(pluginDir: string, name: string, version: string): Promise<boolean> {
  const trash = await openStaging(pluginDir, 'trash');
  try {
    const dir = join(pluginDir, name, version);
    await rename(dir, join(trash.dir, version));
    await syncFolder(dirname(dir));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  } finally {
    await trash.discard();
  }
  await removeEmpty(pluginDir, name);
  return true;
}

/** The folders of a name that holds nothing any more; whatever comes into them meanwhile keeps them. */
async function removeEmpty(pluginDir: string, name: string): Promise<void> {
  for (let folder = name; folder !== '.'; folder = dirname(folder)) {
    try {
      await rmdir(join(pluginDir, folder));
    } catch {
      return;
    }
  }
}
