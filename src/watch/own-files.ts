/** Which files in the folder of a version are the plugin's own, and not what it writes while it runs. */
import { basename, dirname, join, relative, sep } from 'node:path';
import { readRegularFileSync } from '../util/read-file.ts';

/** Programs and what they are made of. */
const CODE = /\.(?:[cm]?[jt]sx?|node|wasm)$/;
const MAX_MANIFEST_BYTES = 2 ** 20;

interface PackageJson {
  files?: unknown;
  chameleon?: { command?: unknown };
}

/**
 * True for package.json, for code, and for everything that `files` names. Without `files` also for JSON, and for all files of a program in
 * another language; where there is no package yet, for every file.
 */
export function isOwnFile(root: string, file: string): boolean {
  if (CODE.test(file) || basename(file) === 'package.json') return true;
  for (let dir = dirname(file); dir.startsWith(root) && dir !== root; dir = dirname(dir)) {
    const json = packageJson(dir);
    if (json === null) continue;
    const path = relative(dir, file).split(sep).join('/');
    if (Array.isArray(json.files)) return json.files.some((pattern) => path.startsWith(plainStart(String(pattern))));
    return file.endsWith('.json') || (json.chameleon?.command ?? null) !== null;
  }
  return true;
}

function packageJson(dir: string): PackageJson | null {
  try {
    return (JSON.parse(readRegularFileSync(join(dir, 'package.json'), MAX_MANIFEST_BYTES)) ?? {}) as PackageJson;
  } catch {
    return null;
  }
}

/** The part of a pattern before anything that stands for several names. */
const plainStart = (pattern: string): string => pattern.replace(/^\.?\//, '').replace(/[*?{[!].*$/, '');
