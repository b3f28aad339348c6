/**
 * Finds out whether somebody else than this user and root could change what lies at a path. Code, and configuration that names code,
 * is only as safe as the file and every folder that leads to it.
 *
 * 1. Each folder is judged in which the system looks something up on the way, those behind symbolic links too.
 * 2. A shared folder with the sticky bit, such as /tmp, lets nobody move what belongs to others, yet anybody may put a hard link to another
 *    user's file there. So of what lies directly in it only a folder counts, which cannot be hard-linked.
 */
import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { readRegularFile } from './read-file.ts';

const MAX_LINKS = 40;
const MAX_ACCOUNTS_BYTES = 2 ** 20;
const WRITABLE = 0o022;
const STICKY = 0o1000;

/** Remembers what it read of the file system, for one pass over many paths that share folders. */
export class Lookups {
  readonly #entries = new Map<string, Promise<Stats>>();
  readonly #accounts = new Map<string, Promise<string>>();

  /** Throws what `lstat` does. */
  entry(path: string): Promise<Stats> {
    const found = this.#entries.get(path) ?? lstat(path);
    this.#entries.set(path, found);
    return found;
  }

  /** `/etc/group` or `/etc/passwd`; empty where it cannot be read. */
  accounts(file: '/etc/group' | '/etc/passwd'): Promise<string> {
    const read = this.#accounts.get(file) ?? readRegularFile(file, { maxBytes: MAX_ACCOUNTS_BYTES }).catch(() => '');
    this.#accounts.set(file, read);
    return read;
  }
}

/** Why others could change it, such as `/srv/x belongs to user 33`; null if only this user and root can. Windows: always null. */
export async function findOtherWriter(path: string, lookups = new Lookups()): Promise<string | null> {
  const uid = process.geteuid?.();
  if (uid === undefined) return null;
  const steps = resolve(path).split('/');
  let folder = '/';
  let [within, links] = [await lookups.entry(folder), 0];
  const root = within;
  for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
    if (step === '' || step === '.') continue;
    if (step === '..') {
      folder = dirname(folder);
      within = await lookups.entry(folder);
      continue;
    }
    const at = join(folder, step);
    const stats = await lookups.entry(at);
    const found = (await judgeFolder(folder, within, uid, lookups)) ?? judgeEntry(at, stats, { folder, within, uid });
    if (found !== null) return found;
    if (stats.isSymbolicLink()) {
      if (++links > MAX_LINKS) return `${at} is a link that leads back to itself`;
      const target = await readlink(at);
      if (isAbsolute(target)) [folder, within] = ['/', root];
      steps.unshift(...target.split('/'));
    } else if (steps.length === 0 && !stats.isDirectory()) {
      return (await writableByOthers(stats, uid, lookups)) ? writable(at, stats) : null;
    } else [folder, within] = [at, stats];
  }
  const shared = await writableByOthers(within, uid, lookups);
  return (await judgeFolder(folder, within, uid, lookups)) ?? (shared ? writable(folder, within) : null);
}

async function judgeFolder(folder: string, stats: Stats, uid: number, lookups: Lookups): Promise<string | null> {
  if (!isTrusted(stats, uid)) return belongs(folder, stats);
  return (stats.mode & STICKY) === 0 && (await writableByOthers(stats, uid, lookups)) ? writable(folder, stats) : null;
}

function judgeEntry(at: string, stats: Stats, { folder, within, uid }: { folder: string; within: Stats; uid: number }): string | null {
  if (!isTrusted(stats, uid)) return belongs(at, stats);
  // Keeps 2.
  const isShared = (within.mode & WRITABLE) !== 0 && (within.mode & STICKY) !== 0;
  return isShared && !stats.isDirectory() ? `${at} lies in ${folder}, where other users may put files` : null;
}

const isTrusted = (stats: Stats, uid: number): boolean => stats.uid === uid || stats.uid === 0;

/** A group of which this user is the only member, as many systems give each user one, is nobody else. */
async function writableByOthers(stats: Stats, uid: number, lookups: Lookups): Promise<boolean> {
  if ((stats.mode & 0o002) !== 0) return true;
  if ((stats.mode & 0o020) === 0) return false;
  if (uid === 0 || stats.uid !== uid || stats.gid !== uid) return true;
  const [groups, users] = await Promise.all([lookups.accounts('/etc/group'), lookups.accounts('/etc/passwd')]);
  return !hasNoOtherMembers(stats.gid, groups) || isGroupOfOthers(stats.gid, uid, users);
}

/** `/etc/group` does not list those whose first group it is. */
function isGroupOfOthers(gid: number, uid: number, users: string): boolean {
  return users.split('\n').some((line) => {
    const [, , userId, groupId] = line.split(':');
    return groupId === String(gid) && userId !== String(uid);
  });
}

/** A user's own group has the user's name. */
function hasNoOtherMembers(gid: number, groups: string): boolean {
  const [, name, members = ''] = new RegExp(`^([^:\\n]*):[^:\\n]*:${gid}:(.*)$`, 'm').exec(groups) ?? [];
  return members === '' || members === name;
}

const belongs = (path: string, stats: Stats): string => `${path} belongs to user ${stats.uid}`;
const writable = (path: string, stats: Stats): string => `${path} may be written by other users (mode ${(stats.mode & 0o7777).toString(8)})`;
