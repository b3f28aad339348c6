/** A plugin's project as its author has it, with the packages installed that the scaffold asks for: links to this repository's own. */
import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** Links `chameleon-supervisor`, and what else is named, into the project's `node_modules`. */
export async function installOurs(dir: string, others: readonly string[] = ['typescript', '@types']): Promise<void> {
  await mkdir(join(dir, 'node_modules'), { recursive: true });
  await symlink(root, join(dir, 'node_modules/chameleon-supervisor'), 'junction');
  for (const name of others) await symlink(join(root, 'node_modules', name), join(dir, 'node_modules', name), 'junction');
}

/** Writes these files, objects as JSON, and resolves with the folder. */
export async function putProject(dir: string, files: Record<string, string | object>): Promise<string> {
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, file)), { recursive: true });
    await writeFile(join(dir, file), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs Node in a folder, with an environment in which nothing of vitest is left. */
export function runNode(args: readonly string[], cwd: string): Promise<Ran> {
  const { PATH, HOME } = process.env;
  return new Promise((done) => {
    execFile(process.execPath, args, { cwd, env: { PATH, HOME }, maxBuffer: 2 ** 24 }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
  });
}

/** The compiler of this repository, in a folder. */
export function runTsc(args: readonly string[], cwd: string): Promise<Ran> {
  return runNode([join(root, 'node_modules/typescript/bin/tsc'), ...args], cwd);
}
