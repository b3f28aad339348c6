/**
 * One supervisor for each state folder: a file that names its process, made so that only one can make it. A lock whose process is gone
 * is nobody's.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StateInUseError } from '../errors.ts';
import { newMarker, ownerLives } from '../process/orphans.ts';

const NAME = 'supervisor.lock';
const ATTEMPTS = 10;

export class FolderLock {
  readonly #path: string;
  readonly #marker: string;

  private constructor(path: string, marker: string) {
    this.#path = path;
    this.#marker = marker;
  }

  /** Makes the folder where it has to. Throws `StateInUseError`, and what the file system throws. */
  static async take(dir: string): Promise<FolderLock> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const marker = await newMarker();
    const [path, ours] = [join(dir, NAME), join(dir, `${NAME}.${randomUUID()}`)];
    // Written first and linked then: a lock is never seen without its owner.
    await writeFile(ours, marker, { flag: 'wx', mode: 0o600 });
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (await linked(ours, path)) return new FolderLock(path, marker);
        const owner = await read(path);
        if (owner === null) continue;
        if (await ownerLives(owner)) throw new StateInUseError(dir, Number(owner.split('-', 1)[0]));
        await takeAway(path, owner);
      }
      throw new Error(`${path} comes and goes`);
    } finally {
      await rm(ours, { force: true });
    }
  }

  async release(): Promise<void> {
    if ((await read(this.#path)) === this.#marker) await rm(this.#path, { force: true });
  }
}

/** Of several that find the same dead owner one takes its lock away; a lock that came in between is put back. */
async function takeAway(path: string, owner: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await read(aside)) !== owner) await linked(aside, path);
    await rm(aside, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function read(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}
