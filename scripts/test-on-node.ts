/**
 * Runs the test suite on other versions of Node: `npm run test:nodes -- 22 24 26`, or what the words after a second `--` select of it:
 * `npm run test:nodes -- 22 -- test/unit calls`. Needs a build and installed plugins.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { withNode } from './fetch-node.ts';

const root = path.resolve(import.meta.dirname, '..');
const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');

function testWith(nodePath: string): boolean {
  // First on the PATH too, so that what the tests start by name is the same Node.
  const env = { ...process.env, PATH: `${path.dirname(nodePath)}${path.delimiter}${process.env.PATH ?? ''}` };
  const { status, error } = spawnSync(nodePath, [vitest, 'run', ...filters], { cwd: root, env, stdio: 'inherit' });
  if (error !== undefined) throw error;
  return status === 0;
}

const words = process.argv.slice(2);
const divider = words.includes('--') ? words.indexOf('--') : words.length;
const versions = words.slice(0, divider);
const filters = words.slice(divider + 1);
if (versions.length === 0) {
  console.error('usage: npm run test:nodes -- VERSION… [-- FILTER…]');
  process.exit(2);
}
const failed: string[] = [];
for (const version of versions) {
  console.error(`\n--- Node ${version}`);
  const passed = await withNode(version, testWith).catch((error: Error) => console.error(error.message));
  if (passed !== true) failed.push(version);
}
console.error(failed.length === 0 ? `\nall tests pass on Node ${versions.join(', ')}` : `\nfailed on Node ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
