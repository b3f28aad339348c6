/** Which npm is run, what it may start, and where it keeps its cache. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { npm, NpmError } from '../../src/install/npm.ts';
import { MANIFEST, putArchive, sound } from '../helpers/archives.ts';
import { type NpmUser, npmUser, NPMS } from '../helpers/npm-user.ts';
import { hasProgram, peer, testWith } from '../helpers/parts.ts';
import { Registry } from '../helpers/registry.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const TIMEOUT = { timeout: 120_000 };
const NOBODY = 65_534;

let registry: Registry;
let user: NpmUser;
let archive: string;
let mark: string;
beforeEach(async () => {
  registry = await Registry.open();
});
afterEach(() => registry.close());

async function open(which: (typeof NPMS)[number]): Promise<void> {
  user = await npmUser(await supervise.tempDir(), which, registry.url);
  mark = join(user.home, 'mark');
  const manifest = { ...MANIFEST, dependencies: { good: '1.0.0' } };
  const lockfile = { lockfileVersion: 3, packages: { '': manifest, 'node_modules/good': registry.publish('good', '1.0.0') } };
  archive = await putArchive(join(user.home, 'a.tgz'), [...sound(manifest), { path: 'package/package-lock.json', body: JSON.stringify(lockfile) }]);
}

async function putProgram(folder: string, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\ntouch ${mark}\nexit 1\n`, { mode: 0o755 });
}

test('npm and all that it starts come from absolute folders of PATH, whatever lies in the folders that are worked in', TIMEOUT, async () => {
  await open('npm-11');
  await rm(join(user.home, 'bin/npm'));
  for (const name of ['npm', 'node', 'sh', 'git']) {
    await putProgram(join(user.home, 'tools'), name);
    await putProgram(user.home, name);
  }
  const real = join(user.home, 'real');
  await mkdir(real);
  await symlink(join(peer('npm-11'), 'bin/npm-cli.js'), join(real, 'npm'));
  const env = { PATH: `tools::.:./tools:${real}:${process.env['PATH']}` };
  expect(await user.install(archive, {}, { env })).toMatchObject({ outcome: 'installed' });
  expect(existsSync(mark)).toBe(false);
});

test('where there is no npm, that is what is said', TIMEOUT, async () => {
  await open('npm-11');
  await rm(join(user.home, 'bin/npm'));
  const told = await user.install(archive, {}, { env: { PATH: 'tools:' } });
  expect(told).toMatchObject({
    code: 'ERR_INSTALL_FAILED',
    reason: expect.stringMatching(/no npm beside Node, and none in an absolute folder of PATH/),
  });
});

testWith('git', hasProgram('git'))('git is not started, even if npm were asked to clone', TIMEOUT, async () => {
  await open('npm-11');
  const repository = join(user.home, 'repository');
  await mkdir(repository);
  const scripts = { prepare: `touch ${mark}` };
  await writeFile(join(repository, 'package.json'), JSON.stringify({ name: 'evil', version: '1.0.0', scripts }));
  const git = (...args: string[]): Buffer => execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: repository });
  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '--message', 'first');
  const cwd = join(user.home, 'packed');
  await mkdir(cwd);
  const run = { cwd, marker: 'none', spareCache: join(user.home, 'cache') };
  await expect(npm(['pack', `git+file://${repository}`], run)).rejects.toThrow(NpmError);
  expect(await readdir(cwd)).toEqual([]);
  expect(existsSync(mark)).toBe(false);
});

test('npm is given up at whichever moment it is asked to, though the registry never answers', TIMEOUT, async () => {
  await open('npm-11');
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const registryUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  for (let turns = 0; turns < 12; turns++) {
    const giveUp = new AbortController();
    const run = { cwd: user.home, marker: `given-up-${turns}`, spareCache: join(user.home, 'cache'), signal: giveUp.signal };
    const ended = npm(['pack', 'good@1.0.0', `--registry=${registryUrl}`], run);
    void ended.catch(() => {});
    for (let turn = 0; turn < turns; turn++) await setImmediate();
    giveUp.abort(new Error('given up'));
    await expect(ended).rejects.toThrow('given up');
  }
  silent.close().closeAllConnections();
});

describe.each(NPMS)('%s', (which) => {
  test('its reason is in the message, and its general advice is not', TIMEOUT, async () => {
    await open(which);
    const told = await user.install('good@9.9.9');
    expect(told).toMatchObject({
      code: 'ERR_INSTALL_FAILED',
      message: expect.stringMatching(/npm pack ended[^]*No matching version found for good@9\.9\.9/),
    });
    expect(told.message).not.toMatch(/Log files/);
  });

  testWith('another user to become', process.getuid?.() === 0)(
    'a user without a home installs with a cache that goes when it is done',
    TIMEOUT,
    async () => {
      await open(which);
      await chmod(user.home, 0o755);
      await chown(user.pluginDir, NOBODY, NOBODY);
      const env = { HOME: '/nonexistent', npm_config_cache: undefined };
      const told = await user.install(archive, {}, { env, uid: NOBODY });
      expect(told).toMatchObject({ outcome: 'installed' });
      expect(await readdir(user.pluginDir)).toEqual(['packed']);
    },
  );
});
