/** Whether a package may be a plugin, as far as can be seen without running it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '../catalog/manifest.ts';
import type { Tree } from './tree.ts';

/** More code than this is not searched, and given the benefit of the doubt. */
const MAX_BYTES = 16 * 2 ** 20;

/** False only where nothing of the package's own names `methods`, which every plugin exports. */
export async function mayBePlugin(dir: string, { files }: Tree, { command, methods }: Manifest): Promise<boolean> {
  if (command !== null || Object.keys(methods).length > 0) return true;
  const own = files.filter(({ path }) => !path.startsWith('node_modules/') && /\.(?:[cm]?js|json|wasm|node)$/.test(path));
  if (own.reduce((total, { bytes }) => total + (bytes ?? 0), 0) > MAX_BYTES) return true;
  for (const { path } of own) if ((await readFile(join(dir, path), 'latin1')).includes('methods')) return true;
  return false;
}
