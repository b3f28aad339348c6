/**
 * A Node with one npm beside it, as every distribution of Node has it, that installs plugins through our built package. The npm is a
 * real one of `test/peers`; its configuration, cache and registry are the test's own.
 */
import { execFile } from 'node:child_process';
import { copyFile, link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { InstallResult } from '../../src/index.ts';
import { peer } from './parts.ts';

export const NPMS = ['npm-10', 'npm-11'] as const;

/** The result of an installation, or the fields of its error. */
type Outcome = Partial<InstallResult> & { code?: string; reason?: string; message?: string; phase?: string; outputTail?: string };

export interface NpmUser {
  readonly home: string;
  readonly pluginDir: string;
  install(source: string, options?: object, how?: { env?: NodeJS.ProcessEnv; uid?: number }): Promise<Outcome>;
}

const SCRIPT = `
  const { installPlugin } = await import(process.argv[1]);
  const told = await installPlugin(process.argv[2], JSON.parse(process.argv[3])).catch((error) => ({ ...error, message: error.message }));
  console.log(JSON.stringify(told));
`;
const index = pathToFileURL(join(import.meta.dirname, '../../dist/src/index.js')).href;

/** Everything lies in `home`, an empty folder of the caller's. */
export async function npmUser(home: string, npm: (typeof NPMS)[number], registry: string): Promise<NpmUser> {
  const bin = join(home, 'bin');
  const pluginDir = join(home, 'plugins');
  await Promise.all([mkdir(bin), mkdir(pluginDir)]);
  const node = join(bin, 'node');
  // A second name of the same file costs nothing; another file system needs a copy.
  await link(process.execPath, node).catch(() => copyFile(process.execPath, node));
  await symlink(join(peer(npm), 'bin/npm-cli.js'), join(bin, 'npm'));
  await writeFile(join(home, 'npmrc'), `registry=${registry}/\n`);
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    npm_config_userconfig: join(home, 'npmrc'),
    npm_config_globalconfig: join(home, 'npmrc-global'),
    npm_config_cache: join(home, 'cache'),
  };
  return {
    home,
    pluginDir,
    install: (source, options = {}, how = {}) =>
      new Promise((resolve, reject) => {
        const args = ['--input-type=module', '-e', SCRIPT, index, source, JSON.stringify({ pluginDir, ...options })];
        const identity = how.uid === undefined ? {} : { uid: how.uid, gid: how.uid };
        execFile(node, args, { cwd: home, env: { ...env, ...how.env }, ...identity }, (error, stdout, stderr) => {
          if (error === null) resolve(JSON.parse(stdout) as Outcome);
          else reject(new Error(stderr, { cause: error }));
        });
      }),
  };
}
