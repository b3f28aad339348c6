/**
 * An npm archive → files in a folder of ours. Files and folders only; everything else makes the whole archive refused.
 *
 * 1. Nothing is written outside `dir`: names are checked before (entry-path.ts), no link is ever made that a later name could go through,
 *    and no file is opened that was there already.
 * 2. What an archive can cost is bounded while it is read: entries, bytes, and bytes for each byte of the archive.
 * 3. An archive is read to its end mark: one that was cut is refused.
 * 4. When the promise settles nothing is written any more, so that the caller may remove the folder.
 */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { deferred } from '../util/deferred.ts';
import { shown } from '../util/naming.ts';
import { EntryPaths, Refused } from './entry-path.ts';

export interface UnpackLimits {
  entries: number;
  bytes: number;
  fileBytes: number;
  /** Bytes unpacked for each byte of the archive, once there are more than `ratioFromBytes`. */
  ratio: number;
  ratioFromBytes: number;
}

const MiB = 2 ** 20;
export const UNPACK_LIMITS: UnpackLimits = { entries: 50_000, bytes: 1_024 * MiB, fileBytes: 512 * MiB, ratio: 250, ratioFromBytes: 16 * MiB };

/** Throws `Refused` for an archive that is none, or is not fit; whatever was written by then is the caller's to remove. */
export async function unpackArchive(file: string, dir: string, limits: UnpackLimits = UNPACK_LIMITS, signal?: AbortSignal): Promise<void> {
  const { size } = await stat(file);
  if (size > limits.bytes) throw new Refused(`takes ${size} bytes, at most ${limits.bytes} are unpacked`);
  const source = createReadStream(file);
  let unpacking: Promise<void> | undefined;
  const consume = (chunks: AsyncIterable<Buffer>): Promise<void> => (unpacking = unpack(chunks, () => source.bytesRead, dir, limits));
  try {
    await pipeline(source, createGunzip(), consume, { signal });
  } catch (error) {
    // Keeps 4; and the pipeline's word for what failed there is "aborted".
    const reason: unknown = await unpacking?.then(
      () => error,
      (own: unknown) => own,
    );
    throw asRefused(reason ?? error);
  }
}

async function unpack(chunks: AsyncIterable<Buffer>, bytesRead: () => number, dir: string, limits: UnpackLimits): Promise<void> {
  const parser = new Parser({ strict: true, brotli: false, zstd: false });
  const writer = new EntryWriter(dir, limits);
  let hasEnded = false;
  parser.on('entry', (entry: ReadEntry) => writer.add(entry));
  parser.on('ignoredEntry', (entry: ReadEntry) => writer.fail(unwanted(entry)));
  parser.on('error', (error: Error) => writer.fail(error));
  parser.on('eof', () => (hasEnded = true));
  try {
    let bytes = 0;
    for await (const chunk of chunks) {
      // The parser would unpack what is packed twice, out of sight of our limits. No name begins with this byte.
      if (bytes === 0 && chunk[0] === 0x1f) throw new Refused('is packed twice');
      bytes += chunk.length;
      if (bytes > limits.bytes) throw new Refused(`unpacks to more than ${limits.bytes} bytes`);
      if (bytes > limits.ratioFromBytes && bytes > limits.ratio * bytesRead()) {
        throw new Refused(`unpacks to more than ${limits.ratio} times its size, as only a bomb does`);
      }
      // Past the end mark the parser would keep all that comes, for nothing.
      if (!hasEnded && !parser.write(chunk)) await Promise.race([once(parser, 'drain'), writer.failed]);
      writer.check();
    }
    const ended = once(parser, 'end');
    parser.end();
    await Promise.race([ended, writer.failed]);
    await writer.stop();
    writer.check();
    if (!hasEnded) throw new Refused('is cut short: its end mark is missing'); // Keeps 3.
  } catch (error) {
    writer.fail(error as Error);
    await writer.stop(); // Keeps 4.
    throw error;
  }
}

function unwanted(entry: ReadEntry): Refused {
  const what = entry.meta
    ? 'more description of an entry than is read'
    : `an entry of the kind ${entry.type}${entry.linkpath ? ' with a target' : ''}`;
  return new Refused(`holds ${shown(entry.path)}, ${what}; only files and folders are unpacked`);
}

/** Writes the entries one after the other, as the parser hands them over; nothing more after the first failure. */
class EntryWriter {
  readonly failed: Promise<never>;
  readonly #reject: (error: Error) => void;
  readonly #paths = new EntryPaths();
  readonly #made = new Set<string>();
  readonly #dir: string;
  readonly #limits: UnpackLimits;
  #entries = 0;
  #failure: Error | null = null;
  #current: ReadEntry | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(dir: string, limits: UnpackLimits) {
    this.#dir = dir;
    this.#limits = limits;
    const { promise, reject } = deferred<never>();
    this.failed = promise;
    this.#reject = reject;
    // Whoever waits hears of it; nobody may be waiting.
    promise.catch(() => {});
  }

  add(entry: ReadEntry): void {
    this.#last = this.#last.then(() => this.#write(entry)).catch((error: Error) => this.fail(error));
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#reject(error);
    this.#current?.destroy(error);
  }

  /** Throws what failed first. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Resolves when nothing is being written any more. */
  stop(): Promise<void> {
    return this.#last;
  }

  async #write(entry: ReadEntry): Promise<void> {
    if (this.#failure !== null) return;
    if (++this.#entries > this.#limits.entries) throw new Refused(`holds more than ${this.#limits.entries} entries`);
    if (entry.type === 'Directory') {
      await this.#folder(join(this.#dir, this.#paths.take(entry.path, 'folder')));
      entry.resume();
      return;
    }
    if ((entry.type !== 'File' && entry.type !== 'OldFile') || entry.linkpath) throw unwanted(entry);
    const target = join(this.#dir, this.#paths.take(entry.path, 'file'));
    if (entry.header.size === undefined) throw new Refused(`holds ${shown(entry.path)} without a size`);
    if (entry.size > this.#limits.fileBytes) {
      throw new Refused(`holds ${shown(entry.path)} of ${entry.size} bytes, a file may have ${this.#limits.fileBytes}`);
    }
    await this.#folder(dirname(target));
    await this.#fill(target, entry);
  }

  async #folder(path: string): Promise<void> {
    if (this.#made.has(path)) return;
    await mkdir(path, { recursive: true });
    this.#made.add(path);
  }

  async #fill(target: string, entry: ReadEntry): Promise<void> {
    // Of the mode only "may be run" is taken over: no setuid, nothing that others may write.
    const file = await open(target, 'wx', ((entry.mode ?? 0) & 0o111) === 0 ? 0o644 : 0o755); // Keeps 1.
    this.#current = entry;
    try {
      let written = 0;
      if (this.#failure !== null) return;
      for await (const chunk of entry) {
        await file.writeFile(chunk);
        written += chunk.length;
      }
      if (written !== entry.size) throw new Refused(`is cut short in ${shown(entry.path)}`);
    } finally {
      this.#current = null;
      await file.close();
    }
  }
}

/** The words of zlib and of the parser, for those who have the archive before them. */
function asRefused(error: unknown): Error {
  if (!(error instanceof Error) || error instanceof Refused) return error as Error;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') return new Refused('is cut short', { cause: error });
  if (code.startsWith('Z_')) return new Refused(`is no .tgz: ${error.message}`, { cause: error });
  if ('tarCode' in error) return new Refused(`is no sound tar archive: ${error.message.replace(/^TAR_\w+: /, '')}`, { cause: error });
  if (code === 'ENAMETOOLONG') return new Refused('holds a path that is too long for this disk', { cause: error });
  return error;
}
