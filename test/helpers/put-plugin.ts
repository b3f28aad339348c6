/** Plugin folders for tests that need several versions of one plugin, or a manifest of their own. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fixtures } from './supervise.ts';

/** A copy of a fixture as `<folder>/<name>/<version>`, with these fields of its package.json changed. Resolves with the folder of the copy. */
export async function putFixture(
  folder: string,
  fixture: string,
  changed: { name?: string; version?: string; [field: string]: unknown } = {},
): Promise<string> {
  const manifest = JSON.parse(await readFile(join(fixtures, fixture, 'package.json'), 'utf8')) as { name: string; version: string };
  const { name, version } = { ...manifest, ...changed };
  const dir = join(folder, name, version);
  await cp(join(fixtures, fixture), dir, { recursive: true });
  await writeFile(join(dir, 'package.json'), JSON.stringify({ ...manifest, ...changed }));
  return dir;
}

/** A plugin folder of these files, whatever they hold. Resolves with the folder. */
export async function putFiles(dir: string, files: Record<string, string>): Promise<string> {
  await mkdir(dir, { recursive: true });
  await Promise.all(Object.entries(files).map(([file, text]) => writeFile(join(dir, file), text)));
  return dir;
}
