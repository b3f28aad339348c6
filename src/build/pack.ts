/**
 * A folder → a `.tgz` as npm makes them, under `package/`. The same files give the same bytes: order, times, owners and modes are fixed, and
 * the compressed stream names neither a time nor a system.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Packed {
  /** Of the archive, as npm writes it: `sha512-…`. */
  integrity: string;
  bytes: number;
}

/** npm's own, since tools that unpack refuse 1970. */
const MTIME = new Date('1985-10-26T08:15:00.000Z');

/** Writes `target` in one move. `files` are relative to `dir`, whose modes are taken as they are. */
export async function pack(dir: string, files: readonly string[], target: string): Promise<Packed> {
  const { create } = await import('tar');
  const chunks: Buffer[] = [];
  const archive = create({ cwd: dir, prefix: 'package', gzip: { level: 9 }, portable: true, mtime: MTIME, strict: true, noDirRecurse: true }, [
    ...files,
  ]);
  for await (const chunk of archive) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  await mkdir(dirname(target), { recursive: true });
  const beside = `${target}.${randomUUID()}`;
  try {
    await writeFile(beside, bytes);
    await rename(beside, target);
  } finally {
    await rm(beside, { force: true });
  }
  return { integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`, bytes: bytes.length };
}
