/** Our package as users get it: packed from the built `dist/`, and installed by npm without what this repository adds to the environment. */
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

export const root = resolve(import.meta.dirname, '../..');
const { PATH, HOME, npm_config_cache, npm_config_registry } = process.env;
/** npm and vitest set more than a user has. */
export const userEnv = { PATH, HOME, npm_config_cache, npm_config_registry };

export interface Tarball {
  filename: string;
  files: { path: string; mode: number }[];
}

/** Runs a program as a user would, and answers with its stdout. */
export async function runAsUser(command: string, args: string[], cwd: string): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd, env: userEnv, maxBuffer: 2 ** 24 });
  return stdout;
}

/** Packs into `dir`. */
export async function pack(dir: string): Promise<Tarball> {
  // Without scripts: `prepack` builds, which the tests that run beside this one would notice.
  const [packed] = JSON.parse(await runAsUser('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], root)) as [Tarball];
  return packed;
}

/** Installs the tarball that lies in `dir` into the package there. */
export async function installTarball(dir: string, { filename }: Tarball): Promise<void> {
  await runAsUser('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', join(dir, filename)], dir);
}
