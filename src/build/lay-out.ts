/**
 * A folder in which a bundle runs as if it stood in its project: whatever else is there, `node_modules` too, is linked. For `dev` and for
 * the tests of a plugin; a package is made of copies instead (stage.ts).
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { builtManifest } from './package-json.ts';
import { bundlePath, type Project } from './project.ts';

export function laidOutAt({ manifest }: Project, under: string): string {
  return join(under, manifest.version);
}

/** Lays out, or lays out again over what is there: a process that runs from the folder never sees half a file. Resolves with the folder. */
export async function layOut(project: Project & { source: string }, code: string, under: string): Promise<string> {
  const target = laidOutAt(project, under);
  const main = bundlePath(project.source);
  await mkdir(dirname(join(target, main)), { recursive: true });
  await link(project.dir, target, ['package.json', main, project.source]);
  const above = findUp(dirname(project.dir), 'node_modules');
  // Packages that a workspace shares: Node looks for them after the plugin's own.
  if (above !== null) await linkOnce(above, join(under, 'node_modules'), 'junction');
  await replace(join(target, main), code);
  await replace(join(target, 'package.json'), builtManifest(project, { methods: null }));
  return target;
}

/** Links what `from` holds into `to`, but for the files at `own` and the folders on the way to them. */
async function link(from: string, to: string, own: readonly string[]): Promise<void> {
  const first = (path: string): string => path.split('/')[0]!;
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const inside = own.filter((path) => first(path) === entry.name && path !== entry.name).map((path) => path.slice(entry.name.length + 1));
    if (inside.length > 0) await link(join(from, entry.name), join(to, entry.name), inside);
    if (own.some((path) => first(path) === entry.name)) continue;
    await linkOnce(join(from, entry.name), join(to, entry.name), entry.isDirectory() ? 'junction' : 'file');
  }
}

async function linkOnce(to: string, at: string, kind: 'junction' | 'file'): Promise<void> {
  await symlink(to, at, kind).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

function findUp(from: string, name: string): string | null {
  for (let dir = from; ; dir = dirname(dir)) {
    if (existsSync(join(dir, name))) return join(dir, name);
    if (dir === dirname(dir)) return null;
  }
}

async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}
