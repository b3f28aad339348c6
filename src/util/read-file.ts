/**
 * Reads files that somebody else may have put there: regular files up to a limit. A named pipe, a device or a file of a gigabyte
 * neither blocks the reader nor fills its memory.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, lstat, open, stat } from 'node:fs/promises';

/** The file cannot be used as it is; the message stands after the file's name. */
export class FileRefused extends Error {}

export interface ReadFileOptions {
  maxBytes: number;
  /** Follow a symbolic link at the end of the path. Default true. */
  follow?: boolean;
}

/** The text of a regular file. Throws `FileRefused` for anything else, and the errors of the file system. */
export async function readRegularFile(path: string, { maxBytes, follow = true }: ReadFileOptions): Promise<string> {
  // Looked at first, because opening a device can set it in motion; and again once it is open, because it may be another by then.
  check(await (follow ? stat : lstat)(path), maxBytes);
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | (follow ? 0 : constants.O_NOFOLLOW));
  try {
    const stats = await file.stat();
    check(stats, maxBytes);
    return await readUpTo(file, stats.size, maxBytes);
  } finally {
    await file.close();
  }
}

/** The same at once, following links: for a small file whose folder was just looked at. */
export function readRegularFileSync(path: string, maxBytes: number): string {
  check(statSync(path), maxBytes);
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    check(fstatSync(file), maxBytes);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** In words, to stand after "is": `a named pipe`. */
export function kindOf(stats: Stats): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a folder';
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isFIFO()) return 'a named pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

function check(stats: Stats, maxBytes: number): void {
  if (!stats.isFile()) throw new FileRefused(`is not a file but ${kindOf(stats)}`);
  if (stats.size > maxBytes) throw tooLarge(maxBytes);
}

/** The size is where it begins, not where it ends: the file may grow meanwhile, and some report none. */
async function readUpTo(file: FileHandle, size: number, maxBytes: number): Promise<string> {
  let buffer = Buffer.allocUnsafe(size + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) return buffer.toString('utf8', 0, length);
    length += bytesRead;
    if (length > maxBytes) throw tooLarge(maxBytes);
    if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(length)]);
  }
}

const tooLarge = (maxBytes: number): FileRefused => new FileRefused(`is larger than ${maxBytes} bytes`);
