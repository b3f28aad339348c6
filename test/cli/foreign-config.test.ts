/** A configuration is code: whose is used, where the search for it ends, and which commands need none. */
import { chmodSync, chownSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { testWith } from '../helpers/parts.ts';
import { DEMO, eventually, release, Workplace } from './run.ts';

const NOBODY = 65534;
const testAsRoot = testWith('right to change owners (root)', process.geteuid?.() === 0);

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
});
afterEach(release);

/** A configuration that leaves a trace when it is executed. */
function putCode(file: string): string {
  const trace = JSON.stringify(work.path('executed'));
  return work.write(file, `import { writeFileSync } from 'node:fs';\nwriteFileSync(${trace}, '');\nexport default {};\n`);
}
const wasExecuted = (): boolean => existsSync(work.path('executed'));

/** Runs a command in a folder of the workplace. */
function runIn(folder: string, args: string[], env: Record<string, string> = {}): ReturnType<Workplace['run']> {
  mkdirSync(work.path(folder), { recursive: true });
  const inside = Object.assign(Object.create(work) as Workplace, { dir: work.path(folder) });
  return inside.run(args, { env });
}

/** A plugin that can be built and installed as it is. */
function putProject(folder: string): void {
  work.write(`${folder}/package.json`, { name: 'own', version: '1.0.0', type: 'module', main: 'index.js' });
  work.write(`${folder}/index.js`, DEMO);
}

const COMMANDS: [string, string[]][] = [
  ['start', ['start']],
  ['validate', ['validate']],
  ['verify', ['verify']],
  ['install', ['install', '../own']],
  ['uninstall', ['uninstall', 'own@1.0.0']],
  ['prune', ['prune', '--keep', '1']],
  ['build', ['build', '.']],
  ['dev', ['dev', '.']],
];

describe('a configuration that somebody else could change is not executed', () => {
  testAsRoot.each(COMMANDS)('%s refuses one of another user in a folder above', async (_, args) => {
    putProject('below');
    putProject('own');
    const file = putCode('chameleon.config.js');
    chownSync(file, NOBODY, NOBODY);
    const { code, stderr } = await runIn('below', args);
    expect(stderr).toContain(`${file} belongs to user ${NOBODY}`);
    expect(code).toBe(2);
    expect(wasExecuted()).toBe(false);
  });

  testAsRoot('nor is one in a folder of another user, whichever user wrote the file', async () => {
    putCode('theirs/chameleon.config.mjs');
    chownSync(work.path('theirs'), NOBODY, NOBODY);
    expect(await runIn('theirs/below', ['validate'])).toMatchObject({ code: 2, stderr: expect.stringContaining(`theirs belongs to user ${NOBODY}`) });
    expect(wasExecuted()).toBe(false);
  });

  test.each([0o777, 0o775, 0o1777])('nor is one in a folder of mode %o', async (mode) => {
    putCode('open/chameleon.config.ts');
    chmodSync(work.path('open'), mode);
    expect(await runIn('open', ['validate'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/open may be written|other users may put files/),
    });
    expect(wasExecuted()).toBe(false);
  });

  test('nor is one that others may write, or that is named through a folder where others may', async () => {
    chmodSync(putCode('chameleon.config.js'), 0o666);
    expect(await work.run(['validate'])).toMatchObject({ code: 2, stderr: expect.stringContaining('may be written by other users') });
    mkdirSync(work.path('open'));
    symlinkSync(putCode('mine/chameleon.config.js'), work.path('open/chameleon.config.js'));
    chmodSync(work.path('open'), 0o777);
    expect((await work.run(['validate', '--config', 'open/chameleon.config.js'])).code).toBe(2);
    expect(wasExecuted()).toBe(false);
  });

  test('one in a project below a shared folder is', async () => {
    mkdirSync(work.path('shared'));
    chmodSync(work.path('shared'), 0o1777);
    putCode('shared/project/chameleon.config.ts');
    mkdirSync(work.path('shared/project/plugins'));
    expect((await runIn('shared/project/below', ['validate'])).code).toBe(0);
    expect(wasExecuted()).toBe(true);
  });

  testAsRoot('data of another user that is named is used, code is not', async () => {
    for (const file of [work.write('theirs.json', { pluginDir: 'plugins' }), putCode('theirs.mjs')]) chownSync(file, NOBODY, NOBODY);
    expect((await work.run(['validate', '--config', 'theirs.json'])).code).toBe(0);
    expect((await work.run(['validate', '--config', 'theirs.mjs'])).code).toBe(2);
    expect(wasExecuted()).toBe(false);
  });
});

describe('the search upwards', () => {
  test('ends with the home folder', async () => {
    putCode('chameleon.config.js');
    mkdirSync(work.path('home/project/plugins'), { recursive: true });
    expect((await runIn('home/project', ['validate'], { HOME: work.path('home') })).code).toBe(0);
    expect(wasExecuted()).toBe(false);
    putCode('home/chameleon.config.js');
    mkdirSync(work.path('home/plugins'));
    expect((await runIn('home/project', ['validate'], { HOME: work.path('home') })).code).toBe(0);
    expect(wasExecuted()).toBe(true);
  });

  test.each(['folder', 'file'])('ends with a repository, whose .git is a %s', async (kind) => {
    putCode('chameleon.config.js');
    if (kind === 'folder') mkdirSync(work.path('repository/.git'), { recursive: true });
    else work.write('repository/.git', 'gitdir: ../elsewhere\n');
    mkdirSync(work.path('repository/below/plugins'), { recursive: true });
    expect((await runIn('repository/below', ['validate'])).code).toBe(0);
    expect(wasExecuted()).toBe(false);
  });

  test.each([
    ['chameleon.config.json', 'chameleon.config.ts'],
    ['chameleon.config.js', 'chameleon.config.mjs'],
    ['.config/chameleon.config.json', 'chameleon.config.json'],
  ])('finds %s beside %s, and refuses both', async (one, other) => {
    for (const file of [one, other]) {
      if (file.endsWith('.json')) work.write(file, {});
      else putCode(file);
    }
    const { code, stderr } = await work.run(['validate']);
    expect(code).toBe(2);
    for (const file of [one, other]) expect(stderr).toContain(path.basename(file));
    expect(stderr).toContain('are both there; keep one of them');
    expect(wasExecuted()).toBe(false);
  });
});

describe('a command that needs the plugin folder alone', () => {
  test.each<[string, string[]]>([
    ['verify', ['verify']],
    ['install', ['install', 'own']],
    ['uninstall', ['uninstall', 'own@1.0.0']],
  ])('%s executes no configuration where --plugin-dir names that', async (_, args) => {
    putProject('own');
    work.plugin('own', '1.0.0', DEMO, 'elsewhere');
    putCode('chameleon.config.js');
    const { code, stderr } = await work.run([...args, '--plugin-dir', args[0] === 'install' ? 'plugins' : 'elsewhere']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) as string });
    expect(wasExecuted()).toBe(false);
  });

  test('installs a folder without executing its configuration, wherever it is run', async () => {
    for (const folder of ['project/untrusted', 'alone/untrusted']) putProject(folder);
    putCode('project/untrusted/chameleon.config.ts');
    putCode('alone/untrusted/chameleon.config.ts');
    work.write('project/chameleon.config.json', { pluginDir: '../plugins' });
    expect((await runIn('project/untrusted', ['install', '.'])).code).toBe(0);
    expect(existsSync(work.path('plugins/own/1.0.0/index.js'))).toBe(true);
    expect((await runIn('alone/untrusted/deeper', ['install', '..'])).code).toBe(0);
    expect((await runIn('alone/untrusted', ['install', '../untrusted'])).code).toBe(0);
    expect(wasExecuted()).toBe(false);
  });
});

testAsRoot('a command that asks a supervisor passes over a configuration of another user, and asks our own', async () => {
  work.plugin('demo', '1.0.0', DEMO, 'ours/plugins');
  chownSync(work.write('chameleon.config.json', {}), NOBODY, NOBODY);
  const supervisor = work.spawn([
    'start',
    '--plugin-dir',
    'ours/plugins',
    '--socket',
    'ours/.chameleon/control.sock',
    '--config',
    work.write('ours/own.json', {}),
  ]);
  await eventually(() => expect(supervisor.stdout()).toContain('ready'));
  const theirs = createServer((connection) => connection.end('{"id":1,"result":"theirs"}\n'));
  mkdirSync(work.path('.chameleon'));
  await once(theirs.listen(work.socket), 'listening');
  for (const theirPath of [work.socket, work.path('.chameleon')]) chownSync(theirPath, NOBODY, NOBODY);
  expect(await runIn('ours', ['call', 'demo', 'greet', '"me"'])).toMatchObject({ code: 0, stdout: '"你好, me"\n' });
  expect(await work.run(['call', 'demo', 'greet', '"me"'])).toMatchObject({ code: 2, stderr: expect.stringContaining('belongs to user 65534') });
  theirs.close();
});
