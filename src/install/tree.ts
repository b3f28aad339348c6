/**
 * The files of a folder and what is in them. Follows no link: a link is reported for what it is.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../util/missing.ts';
import { syncFolder } from '../util/sync-folder.ts';
import { inParallel } from './parallel.ts';
import { dateNow } from '../util/timers.ts';

export interface Found {
  /** Relative, with slashes. */
  path: string;
  /** Null for what is neither a file nor a folder. */
  bytes: number | null;
  /** Whether it may be run, and the bits that let it run as somebody else. */
  mode: number;
  /** Changes whenever the file's content may have: inode, size, times of modification and change. */
  fingerprint: string;
  changedAtMs: number;
}

export interface Tree {
  files: Found[];
  /** Relative, '' for the folder itself. */
  folders: string[];
  /** When the first of them was looked at, in milliseconds since 1970. */
  readAtMs: number;
}

const WIDTH = 16;
const CHUNK_BYTES = 128 * 1_024;
/** Who may run it, and setuid, setgid, sticky: what of a mode makes a difference here. The rest is a matter of umask. */
const MODE_BITS = 0o7111n;

/** Sorted by path. */
export async function readTree(dir: string): Promise<Tree> {
  const tree: Tree = { files: [], folders: [], readAtMs: dateNow() };
  let level = [''];
  while (level.length > 0) {
    const below: string[] = [];
    await inParallel(level, WIDTH, async (folder) => {
      const entries = await readdir(join(dir, folder), { withFileTypes: true });
      const paths = entries.map((entry) => (folder === '' ? entry.name : `${folder}/${entry.name}`));
      await inParallel(entries.keys(), WIDTH, async (at) => {
        if (entries[at]!.isDirectory()) below.push(paths[at]!);
        else {
          const found = await look(dir, paths[at]!);
          if (found !== null) tree.files.push(found);
        }
      });
    });
    tree.folders.push(...level);
    level = below;
  }
  tree.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return tree;
}

/** Null for what is gone since its folder was listed. */
async function look(dir: string, path: string): Promise<Found | null> {
  const stats = await lstat(join(dir, path), { bigint: true }).catch(ignoreMissing);
  if (stats === undefined) return null;
  return {
    path,
    bytes: stats.isFile() ? Number(stats.size) : null,
    mode: Number(stats.mode & MODE_BITS),
    fingerprint: `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`,
    changedAtMs: Number(stats.ctimeMs),
  };
}

/** The sha256 of a file, in hexadecimal. `sync`: it is on the disk before that is said. */
export async function hashFile(path: string, { sync = false } = {}): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (sync) await file.datasync();
    return await digest(file);
  } finally {
    await file.close();
  }
}

/** In pieces, so that no file keeps the event loop waiting. */
async function digest(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
  }
}

/** Makes the names in these folders last. */
export async function syncFolders(dir: string, folders: readonly string[]): Promise<void> {
  await inParallel(folders, WIDTH, (folder) => syncFolder(join(dir, folder)));
}
