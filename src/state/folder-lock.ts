/**
 * One supervisor for each state folder: a file that names its process, made so that only one can make it. A lock whose process is gone
 * is nobody's, and is taken over. So is one that names none: an empty file that a loss of power left, or a pipe of that name.
 *
 * 1. A lock is never seen without its owner: it is written elsewhere, synced, and linked.
 * 2. A dead owner's lock is replaced only by who holds the claim to that very lock, which is a lock itself. So of many that find it one
 *    takes it over, and nobody ever takes away a living one.
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StateInUseError } from '../errors.ts';
import { newMarker, ownerLives } from '../process/orphans.ts';
import { FileRefused, readRegularFile } from '../util/read-file.ts';
import { syncFolder } from '../util/sync-folder.ts';
import { setAside } from './set-aside.ts';

const NAME = 'supervisor.lock';
const ATTEMPTS = 10;
const MAX_BYTES = 1_024;
/** As `newMarker` makes them: a process id, its start time, and something unique. */
const MARKER = /^[1-9][0-9]{0,9}-[0-9]+-/;

/** What lies at a lock's path. `text` of a file; `identity` of what is no file, or is too large for a lock. */
type Found = { kind: 'missing' } | { kind: 'file'; text: string } | { kind: 'foreign'; identity: string; reason: string };
type Tell = (message: string) => void;

export class FolderLock {
  readonly #path: string;
  readonly #marker: string;

  private constructor(path: string, marker: string) {
    this.#path = path;
    this.#marker = marker;
  }

  /** Makes the folder where it has to; `tell` hears of what had to make room. Throws `StateInUseError`, and the errors of the file system. */
  static async take(dir: string, tell: Tell = () => {}): Promise<FolderLock> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const marker = await newMarker();
    const [path, ours] = [join(dir, NAME), join(dir, `${NAME}.${randomUUID()}`)];
    await writeFile(ours, marker, { flag: 'wx', mode: 0o600, flush: true });
    try {
      const owner = await take(path, ours, tell);
      if (owner !== null) throw new StateInUseError(dir, Number(owner.split('-', 1)[0]));
      await syncFolder(dir);
      return new FolderLock(path, marker);
    } finally {
      await rm(ours, { force: true });
    }
  }

  async release(): Promise<void> {
    const found = await look(this.#path);
    if (found.kind === 'file' && found.text === this.#marker) await rm(this.#path, { force: true });
  }
}

/** Null when the lock at `path` is ours, with what stands in `ours`; else its owner, who lives. */
async function take(path: string, ours: string, tell: Tell): Promise<string | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await linked(ours, path)) return null;
    const found = await look(path);
    if (found.kind === 'missing') continue;
    if (found.kind === 'file' && MARKER.test(found.text) && (await ownerLives(found.text))) return found.text;
    // Keeps 2. Whoever held the claim and died is taken over from in the same way.
    const claim = `${path}.${createHash('sha256').update(keyOf(found)).digest('hex').slice(0, 16)}`;
    const claimant = await take(claim, ours, tell);
    if (claimant !== null) return claimant;
    try {
      const now = await look(path);
      if (now.kind === 'missing' || keyOf(now) !== keyOf(found)) continue;
      if (found.kind === 'file') {
        await link(ours, `${ours}.next`);
        await rename(`${ours}.next`, path);
        return null;
      }
      tell(`${path} ${found.reason}: it is set aside as ${await setAside(dirname(path), basename(path))}`);
    } finally {
      await rm(claim, { force: true });
    }
  }
  throw new Error(`${path} comes and goes`);
}

const keyOf = (found: Exclude<Found, { kind: 'missing' }>): string => (found.kind === 'file' ? found.text : found.identity);

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function look(path: string): Promise<Found> {
  try {
    return { kind: 'file', text: await readRegularFile(path, { maxBytes: MAX_BYTES, follow: false }) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'missing' };
    if (!(error instanceof FileRefused)) throw error;
    return identify(path, error.message);
  }
}

async function identify(path: string, reason: string): Promise<Found> {
  try {
    const { dev, ino, ctimeNs } = await lstat(path, { bigint: true });
    return { kind: 'foreign', identity: `${dev}:${ino}:${ctimeNs}`, reason };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'missing' };
    throw error;
  }
}
