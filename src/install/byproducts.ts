/**
 * Files that running a plugin leaves in its own folder, and that are no change of it: caches of tools, and what is written about a crash.
 *
 * 1. None of these files is there when a version is installed: `installPlugin` leaves them out.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Found } from './tree.ts';

/** find-cache-dir's place (babel, terser, jiti, Prisma), Vite's, and Python's compiled modules. */
const CACHE = /(?:^|\/)(?:\.cache\/|node_modules\/\.(?:vite|vite-temp|vitest|tmp)\/|__pycache__\/[^/]+\.pyc(?:\.\d+)?$)/;
/** By the names that Node, V8, the JVM and the kernel give them. */
const DIAGNOSTICS =
  /^(?:report\.\d{8}\.\d{6}\.\d+\.\d+\.\d+\.json|.+\.(?:cpuprofile|heapprofile|heapsnapshot|heaptimeline)|isolate0x[0-9a-f]+-(?:\d+-)?v8\.log|v8\.log|node_trace\.\d+\.log|jit-\d+\.dump|perf-\d+\.map|(?:hs_err|replay)_pid\d+\.log|java_pid\d+\.hprof)$/;
/** A dump that found no room. */
const EMPTY_DUMP = /^core(?:\.\d+)?$/;
const ELF_CORE = 4;

/** True for a file of a cache, which may come, change and go. */
export const isCache = (path: string): boolean => CACHE.test(path);

/** True for a file about a crash or a measurement. Core dumps have any name that the machine's administrator chose: their content tells. */
export async function isDiagnostic(dir: string, { path, bytes }: Found): Promise<boolean> {
  if (bytes === null) return false;
  if (DIAGNOSTICS.test(basename(path))) return true;
  return bytes === 0 ? EMPTY_DUMP.test(path) : isCoreDump(join(dir, path));
}

async function isCoreDump(path: string): Promise<boolean> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null);
  if (file === null) return false;
  try {
    const header = Buffer.alloc(18);
    await file.read(header, 0, header.length, 0);
    if (header.readUInt32BE(0) !== 0x7f_45_4c_46) return false;
    const isLittleEndian = header[5] === 1;
    return (isLittleEndian ? header.readUInt16LE(16) : header.readUInt16BE(16)) === ELF_CORE;
  } finally {
    await file.close();
  }
}
