/**
 * One supervisor for each state folder: a file that names its process, made so that only one can make it. A lock whose process is gone
 * is nobody's, and is taken over.
 *
 * 1. A lock is never seen without its owner: it is written elsewhere, and linked.
 * 2. A dead owner's lock is replaced only by who holds the claim to that very lock, which is a lock itself. So of many that find it one
 *    takes it over, and nobody ever takes away a living one.
 */
import { createHash, randomUUID } from 'node:crypto';
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
    await writeFile(ours, marker, { flag: 'wx', mode: 0o600 });
    try {
      const owner = await take(path, ours);
      if (owner !== null) throw new StateInUseError(dir, Number(owner.split('-', 1)[0]));
      return new FolderLock(path, marker);
    } finally {
      await rm(ours, { force: true });
    }
  }

  async release(): Promise<void> {
    if ((await read(this.#path)) === this.#marker) await rm(this.#path, { force: true });
  }
}

/** Null when the lock at `path` is ours, with what stands in `ours`; else its owner, who lives. */
async function take(path: string, ours: string): Promise<string | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await linked(ours, path)) return null;
    const owner = await read(path);
    if (owner === null) continue;
    if (await ownerLives(owner)) return owner;
    // Keeps 2. Whoever held the claim and died is taken over from in the same way.
    const claim = `${path}.${createHash('sha256').update(owner).digest('hex').slice(0, 16)}`;
    const claimant = await take(claim, ours);
    if (claimant !== null) return claimant;
    try {
      if ((await read(path)) === owner) {
        await link(ours, `${ours}.next`);
        await rename(`${ours}.next`, path);
        return null;
      }
    } finally {
      await rm(claim, { force: true });
    }
  }
  throw new Error(`${path} comes and goes`);
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
