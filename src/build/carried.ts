/** Which files of the project go into the package besides what is built: those that npm would take for `files`, and what to read first. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { BuildFailedError } from '../build-errors.ts';
import { absolutePath, npmCommand } from '../util/programs.ts';
import type { Project } from './project.ts';

/** Relative, with slashes, sorted. Throws `BuildFailedError` when a program names none of its files, or npm cannot tell. */
export async function carriedFiles({ dir, json, manifest, source }: Project): Promise<string[]> {
  if (json.files === undefined && source === null) {
    const message = 'is missing: name the files of the program, such as ["main.py"]';
    throw new BuildFailedError(`${manifest.name} cannot be packed`, [{ path: 'files', message }]);
  }
  const found = json.files === undefined ? await toReadFirst(dir) : await askNpm(dir, manifest.name);
  return found.filter((file) => file !== 'package.json' && file !== source && !file.startsWith('node_modules/')).sort();
}

async function toReadFirst(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && /^(readme|licen[cs]e|notice)(\..*)?$/i.test(entry.name)).map(({ name }) => name);
}

/** Its rules for `files` are its own, and long. */
async function askNpm(dir: string, plugin: string): Promise<string[]> {
  const [npm = 'npm', ...before] = (await npmCommand()) ?? [];
  const args = [...before, 'pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'];
  return new Promise((done, fail) => {
    execFile(
      npm,
      args,
      { cwd: dir, env: { ...process.env, PATH: absolutePath(process.env['PATH']) }, maxBuffer: 2 ** 26, shell: process.platform === 'win32' },
      (error, stdout, stderr) => {
        if (error !== null) {
          return fail(
            new BuildFailedError(`${plugin} cannot be packed`, [
              { path: 'files', message: `npm cannot tell what they are: ${stderr || error.message}` },
            ]),
          );
        }
        const [packed] = Object.values(JSON.parse(stdout) as Record<string, { files: { path: string }[] }>);
        done(packed!.files.map(({ path }) => path));
      },
    );
  });
}
