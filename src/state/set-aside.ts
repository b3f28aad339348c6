/** Takes out of the way what is no file of ours but has the name of one. Nothing is removed: somebody may want to look at it. */
import { lstat, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../util/missing.ts';
import { kindOf } from '../util/read-file.ts';

const MAX_NAMES = 100;

/** Renames `name` to `preferred`, or to that with a number where a thing of another kind has it. Resolves with the new name. */
export async function setAside(dir: string, name: string, preferred = `${name}.damaged`): Promise<string> {
  const from = join(dir, name);
  const isFile = (await lstat(from)).isFile();
  for (let count = 1; count < MAX_NAMES; count++) {
    const to = count === 1 ? preferred : `${preferred}.${count}`;
    const there = await lstat(join(dir, to)).catch(ignoreMissing);
    // One damaged file makes room for the next.
    if (there !== undefined && !(isFile && there.isFile())) continue;
    await rename(from, join(dir, to));
    return to;
  }
  throw new Error(`${from} cannot be set aside: remove it, and what was set aside before`);
}

/** Sets `name` aside unless it is a regular file or missing. Resolves with what was done, in words; null where nothing was. */
export async function setAsideUnlessFile(dir: string, name: string): Promise<string | null> {
  const stats = await lstat(join(dir, name)).catch(ignoreMissing);
  if (stats === undefined || stats.isFile()) return null;
  return `${join(dir, name)} is not a file but ${kindOf(stats)}: it is set aside as ${await setAside(dir, name)}`;
}
