/** `init`: what it makes is a plugin that passes its own test, type-checks, and is laid down nowhere that anything is. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installOurs, runNode, runTsc } from '../helpers/author.ts';
import { release, Workplace } from './run.ts';

let work: Workplace;
beforeAll(() => {
  work = new Workplace();
});
afterAll(release);

describe.each([
  ['--ts', 'ts'],
  ['--js', 'js'],
])('init %s', (flag, language) => {
  test('makes a plugin whose test passes, in a real child', { timeout: 60_000 }, async () => {
    const name = `hello-${language}`;
    const { code, stdout, stderr } = await work.run(['init', name, flag]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`cd ${name}\n  npm install\n  npm test\n`);
    const dir = work.path(name);
    expect(JSON.parse(readFileSync(`${dir}/package.json`, 'utf8'))).toMatchObject({ name, main: `index.${language}`, type: 'module' });
    await installOurs(dir);
    const tested = await runNode(['--test'], dir);
    expect(tested, tested.stdout).toMatchObject({ code: 0, stdout: expect.stringMatching(/^# pass 1$|ℹ pass 1$/m) });
  });
});

test('without a flag it is TypeScript, which type-checks as it is', { timeout: 60_000 }, async () => {
  await work.run(['init', 'typed']);
  const dir = work.path('typed');
  await installOurs(dir);
  expect(await runTsc([], dir)).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('--json says what was made', async () => {
  expect(await work.json(['init', 'said', '--js'])).toEqual({
    name: 'said',
    dir: work.path('said'),
    files: ['package.json', 'index.js', 'index.test.js', '.gitignore', 'README.md'],
  });
});

test.each([
  ['a folder with a scope', ['@acme/scoped'], '@acme/scoped', '@acme/scoped'],
  ['--name', ['named', '--name', '@acme/other'], 'named', '@acme/other'],
])('%s names the plugin', async (_, args, folder, name) => {
  expect(await work.json(['init', ...args])).toMatchObject({ name, dir: work.path(folder) });
  expect(JSON.parse(readFileSync(work.path(folder, 'package.json'), 'utf8'))).toMatchObject({ name });
});

test('an empty folder is taken, and one in which only git was', async () => {
  work.write('fresh/.git/HEAD', 'ref: refs/heads/main\n');
  expect(await work.run(['init', 'fresh'])).toMatchObject({ code: 0 });
});

test.each<[string, string[], RegExp]>([
  ['a folder that is not empty', ['full'], /full is not empty\n {2}name a folder that is new or empty\n {2}code ERR_USAGE/],
  ['a file', ['full/mine.txt'], /cannot make the folder .*mine\.txt/],
  ['a name that no plugin can have', ['My Plugin'], /named for its folder: expected a plugin name .*, got "My Plugin"/],
  [
    'a name that is taken',
    ['constructor'],
    /not "node_modules", "favicon\.ico" or "constructor".*, got "constructor"\n {2}name another folder, or the plugin with --name/,
  ],
  ['a --name that no plugin can have', ['other', '--name', 'My Plugin'], /--name: expected a plugin name .*, got "My Plugin"/],
  ['both languages', ['other', '--ts', '--js'], /--ts and --js exclude each other/],
  ['no folder', [], /missing required argument 'dir'/],
])('%s: exit 2, and nothing is changed', async (_, args, text) => {
  work.write('full/mine.txt', 'mine');
  const before = readdirSync(work.dir, { recursive: true });
  const { code, stdout, stderr } = await work.run(['init', ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(text);
  expect(readdirSync(work.dir, { recursive: true })).toEqual(before);
});

test('the help lists the commands of an author, and that of each has examples', async () => {
  const { stdout } = await work.run(['--help']);
  for (const command of ['init', 'dev', 'build']) {
    expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(await work.run([command, '--help'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/Examples:\n {2}\$ chameleon-supervisor /) });
  }
});
