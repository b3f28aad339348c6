/**
 * Folders beside the plugins in which something is made ready, or waits to be removed. The catalog does not look at names that begin with
 * a dot, so that a plugin folder never shows half a version.
 *
 * 1. A folder is swept once the process that made it is gone; never while it lives, on whichever machine.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { newMarker, ownerLives, sweepOrphans } from '../process/orphans.ts';
import { dateNow } from '../util/timers.ts';

const NAME = /^\.(?:staging|trash)-([0-9a-f]{12})-([0-9]+-[0-9]+-[0-9a-f-]{36})$/;
/** What was made on a machine that we cannot look into is stale when nothing was done there for so long. */
const FOREIGN_STALE_MS = 24 * 60 * 60_000;

export interface Staging {
  readonly dir: string;
  /** In the environment of every process that works there; the folder's name holds it. */
  readonly marker: string;
  discard(): Promise<void>;
}

/** Makes a folder of its own in `pluginDir`. Only this user may look into it. */
export async function openStaging(pluginDir: string, kind: 'staging' | 'trash'): Promise<Staging> {
  const marker = await newMarker();
  const dir = join(pluginDir, `.${kind}-${await place()}-${marker}`);
  await mkdir(dir, { mode: 0o700 });
  return { dir, marker, discard: () => remove(dir) };
}

/** Removes what killed installations left in `pluginDir`, and first the processes that may still be at work there. */
export async function sweepStale(pluginDir: string): Promise<void> {
  const here = await place();
  const stale: string[] = [];
  for (const name of await readdir(pluginDir)) {
    const [, where, marker] = NAME.exec(name) ?? [];
    const dir = join(pluginDir, name);
    if (where !== undefined && marker !== undefined && !(await isInUse(dir, where === here, marker))) stale.push(dir);
  }
  if (stale.length === 0) return;
  await sweepOrphans();
  await Promise.all(stale.map(remove));
}

async function isInUse(dir: string, isHere: boolean, marker: string): Promise<boolean> {
  if (isHere) return ownerLives(marker);
  const stats = await stat(dir).catch(() => null);
  return stats === null || dateNow() - stats.mtimeMs < FOREIGN_STALE_MS;
}

/** A process that was just killed may yet add a file to what is being removed. */
function remove(dir: string): Promise<void> {
  return rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** Where process ids mean what they mean here: this start of this machine, this container. */
async function place(): Promise<string> {
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return createHash('sha256').update(`${hostname()}\n${bootId}\n${namespace}`).digest('hex').slice(0, 12);
}
