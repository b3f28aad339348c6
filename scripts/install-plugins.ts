/**
 * Installs the dependencies of the example plugins, and the real packages in `test/peers` that tests run. Each folder is installed
 * from its own lockfile into its own `node_modules`; an up-to-date folder costs nothing. Narrates on stderr and stops at the first failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (line: string): boolean => process.stderr.write(`${line}\n`);

function foldersWithLockfile(dir: string): string[] {
  const below = readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules')
    .flatMap((entry) => foldersWithLockfile(join(dir, entry.name)));
  return existsSync(join(dir, 'package-lock.json')) ? [dir, ...below] : below;
}

/** npm writes this file last, so an installation that was cut short is not current. */
function isCurrent(dir: string): boolean {
  const installed = statSync(join(dir, 'node_modules', '.package-lock.json'), { throwIfNoEntry: false });
  return installed !== undefined && installed.mtimeMs >= statSync(join(dir, 'package-lock.json')).mtimeMs;
}

for (const dir of ['plugins', 'test/peers'].flatMap((folder) => foldersWithLockfile(join(root, folder)))) {
  const name = relative(root, dir);
  if (isCurrent(dir)) continue;
  say(`plugins: installing ${name}`);
  const npm = spawnSync('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: dir,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) {
    say(`plugins: npm ci failed in ${name}${npm.error === undefined ? '' : `: ${npm.error.message}`}`);
    process.exit(npm.status ?? 1);
  }
}
say('plugins: all dependencies are installed');
