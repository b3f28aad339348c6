/** The author's way with the package as it is published: a plugin is made, installed, tested, type-checked and built by its own scripts. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pack, root, runAsUser } from '../helpers/tarball.ts';

let home: string;
let archive: string;

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'chameleon-author-')));
  archive = join(home, (await pack(home)).filename);
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

test.each(['ts', 'js'])('a plugin in %s passes its test, and is packed by its own script', { timeout: 180_000 }, async (language) => {
  const dir = join(home, `hello-${language}`);
  await runAsUser(process.execPath, [join(root, 'dist/src/cli/main.js'), 'init', `hello-${language}`, `--${language}`], home);
  await runAsUser('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--save-dev', archive], dir);
  expect(await runAsUser('npm', ['test'], dir)).toMatch(/^(?:#|ℹ) pass 1$/m);
  if (language === 'ts') await runAsUser('npm', ['run', 'typecheck'], dir);
  const built = await runAsUser('npm', ['run', '--silent', 'build'], dir);
  expect(built).toContain(`hello-${language}@0.1.0 is packed: ${join(dir, `hello-${language}-0.1.0.tgz`)}`);
  expect(built).toContain(language === 'ts' ? 'by TypeScript' : 'unknown: the project has no TypeScript');
});
