/** The advice that goes with a failed start names the next step. */
import { expect, test } from 'vitest';
import type { Release } from '../../src/catalog/release.ts';
import { startHint } from '../../src/instance/hint.ts';

const release = { dir: '/plugins/shop/1.0.0', entry: 'index.js' } as Release;
const hintFor = (message: string): string => startHint(release, 'node', { message, stderrTail: '', exit: null });

test.each([
  ["Cannot find package 'left-pad' imported from /plugins/shop/1.0.0/index.js", 'left-pad'],
  ["Cannot find module '@acme/shop/lib/deep.js'\nRequire stack:", '@acme/shop'],
])('a package that is missing is told with the command that installs it: %s', (message, name) => {
  expect(hintFor(message)).toBe(
    `${name} is not installed: npm install ${name} in /plugins/shop/1.0.0, or npm ci where its package.json names it already`,
  );
});

test.each(['../data/patch.json', './gone.js', '/plugins/shop/1.0.0/gone.js', 'C:\\plugins\\gone.js'])(
  'a file that is missing is not told as a package that could be installed: %s',
  (path) => {
    expect(hintFor(`Cannot find module '${path}'`)).toMatch(/^there is no file .*--external PACKAGE$/);
    expect(hintFor(`Cannot find module '${path}'`)).toContain(path);
  },
);
