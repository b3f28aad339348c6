/** The author's way with the package as it is published: a plugin is made, installed, tested, type-checked and built by its own scripts. */
import { execFile } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const { PATH, HOME } = process.env;
/** What npm and vitest add to the environment is not what a user has. */
const env = { PATH, HOME, npm_config_cache: process.env['npm_config_cache'], npm_config_registry: process.env['npm_config_registry'] };

let home: string;
let archive: string;

async function run(command: string, args: string[], cwd = home): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd, env, maxBuffer: 2 ** 24 });
  return stdout;
}

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'chameleon-author-')));
  // Without scripts: `prepack` builds, which the tests that run beside this one would notice.
  const [packed] = JSON.parse(await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', home], root)) as { filename: string }[];
  archive = join(home, packed!.filename);
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

test.each(['ts', 'js'])('a plugin in %s passes its test, and is packed by its own script', { timeout: 180_000 }, async (language) => {
  const dir = join(home, `hello-${language}`);
  await run(process.execPath, [join(root, 'dist/src/cli/main.js'), 'init', `hello-${language}`, `--${language}`]);
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--save-dev', archive], dir);
  expect(await run('npm', ['test'], dir)).toMatch(/^(?:#|ℹ) pass 1$/m);
  if (language === 'ts') await run('npm', ['run', 'typecheck'], dir);
  const built = await run('npm', ['run', '--silent', 'build'], dir);
  expect(built).toContain(`hello-${language}@0.1.0 is packed: ${join(dir, `hello-${language}-0.1.0.tgz`)}`);
  expect(built).toContain(language === 'ts' ? 'by TypeScript' : 'unknown: the project has no TypeScript');
});
