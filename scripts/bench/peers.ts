/** Installs the peers from their lockfile, when they are not there as it says. Narrates on stderr; throws when npm fails. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function installPeers(): void {
  // npm writes this file last, so an installation that was cut short is not current.
  const installed = statSync(new URL('node_modules/.package-lock.json', import.meta.url), { throwIfNoEntry: false });
  const wanted = statSync(new URL('package-lock.json', import.meta.url));
  if (installed !== undefined && installed.mtimeMs >= wanted.mtimeMs) return;
  process.stderr.write('bench: installing the peers\n');
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) throw new Error('npm ci failed in scripts/bench', { cause: npm.error });
}
