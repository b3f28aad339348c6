/** Who else could change a file: owners and modes of the file, of each folder that leads to it, and of what links point to. */
import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findOtherWriter } from '../../src/util/other-writers.ts';
import { testWith } from '../helpers/parts.ts';

const NOBODY = 65534;
const SOMEBODY = 12345;
const isRoot = process.geteuid?.() === 0;
const testAsRoot = testWith('right to change owners (root)', isRoot);

let dir: string;
beforeEach(() => (dir = realpathSync(mkdtempSync(join(tmpdir(), 'chameleon-test-')))));
afterEach(() => {
  if (isRoot) process.seteuid?.(0);
  rmSync(dir, { recursive: true, force: true });
});

/** A file of this user in a folder of this user, both closed to others. */
function put(path: string, mode = 0o644): string {
  const file = join(dir, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, '');
  chmodSync(file, mode);
  return file;
}

function folder(path: string, mode: number): string {
  mkdirSync(join(dir, path), { recursive: true });
  chmodSync(join(dir, path), mode);
  return join(dir, path);
}

describe('what this user and root alone can write is nobody else’s', () => {
  test('a file in folders of this user, though they lie in a shared folder with the sticky bit', async () => {
    expect(lstatSync(tmpdir()).mode & 0o1000, 'the temporary folder is shared').not.toBe(0);
    expect(await findOtherWriter(put('a/b/file'))).toBeNull();
    expect(await findOtherWriter(join(dir, 'a'))).toBeNull();
    expect(await findOtherWriter('/')).toBeNull();
  });

  test('a file behind links of this user', async () => {
    const file = put('a/file');
    symlinkSync('a', join(dir, 'link'));
    symlinkSync(join(dir, 'link', '..', 'a', 'file'), join(dir, 'other'));
    expect(await findOtherWriter(join(dir, 'link/file'))).toBeNull();
    expect(await findOtherWriter(join(dir, 'other'))).toBeNull();
    expect(await findOtherWriter(`${dir}/a/./../a/file`)).toBeNull();
    expect(file).toBe(join(dir, 'a/file'));
  });

  testAsRoot('a file that the group of one user alone may write, and not one of another group', async () => {
    const file = put('a/file', 0o664);
    for (const path of [dir, join(dir, 'a'), file]) {
      chownSync(path, SOMEBODY, SOMEBODY);
      chmodSync(path, path === file ? 0o664 : 0o775);
    }
    process.seteuid?.(SOMEBODY);
    expect(await findOtherWriter(file)).toBeNull();
    process.seteuid?.(0);
    chownSync(file, SOMEBODY, 50);
    process.seteuid?.(SOMEBODY);
    expect(await findOtherWriter(file)).toMatch(/may be written by other users \(mode 664\)/);
  });
});

describe('what somebody else could change is named', () => {
  test.each([0o666, 0o646, 0o664])('a file of mode %o', async (mode) => {
    const file = put('file', mode);
    expect(await findOtherWriter(file)).toBe(`${file} may be written by other users (mode ${mode.toString(8)})`);
  });

  test.each(['a', 'a/b'])('a file below the folder %s that others may write', async (open) => {
    const file = put('a/b/file');
    chmodSync(join(dir, open), 0o777);
    expect(await findOtherWriter(file)).toBe(`${join(dir, open)} may be written by other users (mode 777)`);
  });

  test('a file that lies in a shared folder itself, since it may be a hard link that another user has put there', async () => {
    const shared = folder('shared', 0o1777);
    linkSync(put('mine'), join(shared, 'file'));
    expect(await findOtherWriter(join(shared, 'file'))).toBe(`${shared}/file lies in ${shared}, where other users may put files`);
    symlinkSync(put('target'), join(shared, 'link'));
    expect(await findOtherWriter(join(shared, 'link'))).toMatch(/lies in/);
  });

  test('a folder that is shared itself', async () => {
    const shared = folder('shared', 0o1777);
    expect(await findOtherWriter(shared)).toMatch(/may be written by other users/);
  });

  test('a file behind a link that leads through a folder which others may write', async () => {
    put('open/a/file');
    chmodSync(join(dir, 'open'), 0o777);
    symlinkSync(join(dir, 'open/a'), join(dir, 'link'));
    expect(await findOtherWriter(join(dir, 'link/file'))).toMatch(/open may be written/);
  });

  test('a link that leads back to itself', async () => {
    symlinkSync('loop', join(dir, 'loop'));
    expect(await findOtherWriter(join(dir, 'loop'))).toMatch(/leads back to itself/);
  });

  testAsRoot('a file, a folder or a link of another user', async () => {
    const file = put('a/b/file');
    for (const path of ['a/b/file', 'a/b', 'a']) {
      chownSync(join(dir, path), NOBODY, NOBODY);
      expect(await findOtherWriter(file)).toBe(`${join(dir, path)} belongs to user ${NOBODY}`);
      // To that user root is nobody else.
      if (path === 'a') continue;
      chownSync(join(dir, path), 0, 0);
    }
  });

  testAsRoot('a file of root is nobody else’s to another user, one of a third user is', async () => {
    chmodSync(dir, 0o755);
    const file = put('a/file');
    process.seteuid?.(NOBODY);
    expect(await findOtherWriter(file)).toBeNull();
    process.seteuid?.(0);
    chownSync(file, SOMEBODY, SOMEBODY);
    process.seteuid?.(NOBODY);
    expect(await findOtherWriter(file)).toBe(`${file} belongs to user ${SOMEBODY}`);
  });
});
