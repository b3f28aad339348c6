import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

test('the example of the README is the one in docs/, and prints what the README says', async () => {
  const readme = await readFile(resolve(root, 'README.md'), 'utf8');
  const example = await readFile(resolve(root, 'docs/example.mjs'), 'utf8');
  expect(readme).toContain('```js\n' + example + '```');
  const printed = /`node docs\/example\.mjs` prints:\n\n```\n([^`]*)```/.exec(readme)?.[1];
  const { stdout } = await promisify(execFile)(process.execPath, ['docs/example.mjs'], { cwd: root });
  expect(stdout).toBe(printed);
});
