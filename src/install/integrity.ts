/**
 * What a version was when it was installed, and whether it still is. Written beside its files: it finds what was changed by mistake, by a
 * plugin, or by a half-done copy; it is no defence against somebody who may write the whole folder, this record included.
 *
 * 1. A file counts as unchanged without being read only while inode, size and both of its times are those of the last time it was hashed.
 *    A file that was touched just before is read again: a second change in the same tick of the clock would not show.
 * 2. A version without a record was not installed, but put there: nothing is said about it.
 */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type IntegrityChange, IntegrityError } from '../errors.ts';
import { shown } from '../util/naming.ts';
import { readRegularFile } from '../util/read-file.ts';
import { isCache, isDiagnostic } from './byproducts.ts';
import { Refused } from './entry-path.ts';
import { inParallel } from './parallel.ts';
import { type Found, hashFile, readTree, syncFolders, type Tree } from './tree.ts';

interface FileRecord {
  path: string;
  sha256: string;
  bytes: number;
  mode: number;
}

export interface IntegrityRecord {
  format: 1;
  plugin: string;
  version: string;
  /** By path. */
  files: FileRecord[];
}

interface Seen {
  format: 1;
  /** Path → fingerprint. */
  files: [string, string][];
}

const RECORD_FOLDER = '.chameleon';
const RECORD = `${RECORD_FOLDER}/integrity.json`;
const SEEN = `${RECORD_FOLDER}/verified.json`;
/** Node is told to write there about crashes and measurements: see `launchPlan`. */
const DIAGNOSTICS_FOLDER = `${RECORD_FOLDER}/diagnostics`;
const OURS = new RegExp(`^${RECORD_FOLDER.replace('.', '\\.')}/(?:integrity\\.json|verified\\.json(?:\\.\\d+)?|diagnostics/.*)$`);
/** A version may have 100,000 files, each with a path. */
const MAX_RECORD_BYTES = 64 * 2 ** 20;
const TICK_MS = 100;
const WIDTH = 16;

/** Hashes every file of `tree`, which is on the disk when this resolves. Throws `Refused` for what is no file. */
export async function takeRecord(dir: string, { name, version }: { name: string; version: string }, tree: Tree): Promise<IntegrityRecord> {
  const files: FileRecord[] = [];
  const lasting = tree.files.filter(({ path }) => !isCache(path));
  await inParallel(lasting, WIDTH, async ({ path, bytes, mode }) => {
    if (bytes === null) throw new Refused(`holds ${shown(path)}, which is neither a file nor a folder`);
    files.push({ path, sha256: await hashFile(join(dir, path), { sync: true }), bytes, mode });
  });
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { format: 1, plugin: name, version, files };
}

/** Writes the record of a folder that has none yet; all of the folder is on the disk when this resolves. */
export async function writeRecord(dir: string, record: IntegrityRecord, tree: Tree): Promise<void> {
  await mkdir(join(dir, DIAGNOSTICS_FOLDER), { recursive: true });
  await writeFile(join(dir, RECORD), `${JSON.stringify(record)}\n`, { flush: true });
  await writeSeen(dir, tree);
  await syncFolders(dir, [...tree.folders, RECORD_FOLDER, DIAGNOSTICS_FOLDER]);
}

/** Null for a version that was not installed. Throws `IntegrityError` for a record that cannot be read. */
export async function readRecord(dir: string): Promise<IntegrityRecord | null> {
  const parsed = await readJson(join(dir, RECORD));
  if (parsed === null) {
    if ((await readJson(join(dir, SEEN))) === null) return null;
    throw new IntegrityError({}, dir, [{ path: RECORD, problem: 'missing' }]);
  }
  if (isRecord(parsed)) return parsed;
  throw new IntegrityError({}, dir, [{ path: RECORD, problem: 'changed' }]);
}

/**
 * Throws `IntegrityError` when the files in `dir` are not those that were installed; resolves with their number, and null for a version
 * that was not installed. `all`: hashes also what has not been touched since the last time.
 */
export async function verify(dir: string, { all = false } = {}): Promise<number | null> {
  const record = await readRecord(dir);
  if (record === null) return null;
  const tree = await readTree(dir);
  const seen = all ? new Map<string, string>() : await readSeen(dir);
  const changes: IntegrityChange[] = [];
  const left = new Map(record.files.map((file) => [file.path, file]));
  const toHash: [Found, FileRecord][] = [];
  for (const found of tree.files) {
    const known = left.get(found.path);
    left.delete(found.path);
    if (isCache(found.path)) continue;
    if (known === undefined) {
      const isOurs = OURS.test(found.path) && found.bytes !== null;
      if (!isOurs && !(await isDiagnostic(dir, found))) changes.push({ path: found.path, problem: 'added' });
    } else if (found.bytes !== known.bytes || found.mode !== known.mode) changes.push({ path: found.path, problem: 'changed' });
    else if (seen.get(found.path) !== found.fingerprint) toHash.push([found, known]);
  }
  for (const path of left.keys()) if (!isCache(path)) changes.push({ path, problem: 'missing' });
  await inParallel(toHash, WIDTH, async ([{ path }, known]) => {
    if ((await hashFile(join(dir, path)).catch(unreadable)) !== known.sha256) changes.push({ path, problem: 'changed' });
  });
  if (changes.length > 0) {
    changes.sort((a, b) => (a.path < b.path ? -1 : 1));
    throw new IntegrityError({ plugin: record.plugin, version: record.version }, dir, changes);
  }
  // A folder that may only be read is hashed again the next time.
  if (toHash.length > 0) await writeSeen(dir, tree).catch(() => {});
  return record.files.length;
}

/** What cannot be read now is not what it was; a host that has run out of something is another matter. */
function unreadable(error: NodeJS.ErrnoException): null {
  if (['EMFILE', 'ENFILE', 'ENOMEM'].includes(error.code ?? '')) throw error;
  return null;
}

async function readSeen(dir: string): Promise<Map<string, string>> {
  const seen = (await readJson(join(dir, SEEN))) as Partial<Seen> | null;
  return new Map(seen?.format === 1 && Array.isArray(seen.files) ? seen.files : []);
}

async function writeSeen(dir: string, { files, readAtMs }: Tree): Promise<void> {
  const trusted = files.filter(({ path, changedAtMs }) => changedAtMs < readAtMs - TICK_MS && !OURS.test(path)); // Keeps 1.
  const seen: Seen = { format: 1, files: trusted.map(({ path, fingerprint }) => [path, fingerprint]) };
  const target = join(dir, SEEN);
  const draft = `${target}.${process.pid}`;
  try {
    await writeFile(draft, JSON.stringify(seen));
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
}

/** Null when it is not there; undefined when it is not what it should be. */
async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readRegularFile(file, { maxBytes: MAX_RECORD_BYTES, follow: false })) ?? undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? null : undefined;
  }
}

function isRecord(value: unknown): value is IntegrityRecord {
  const { format, plugin, version, files } = (value ?? {}) as Partial<IntegrityRecord>;
  return format === 1 && typeof plugin === 'string' && typeof version === 'string' && Array.isArray(files) && files.every(isFileRecord);
}

const isFileRecord = (value: unknown): boolean => typeof (value as FileRecord | null)?.path === 'string';
