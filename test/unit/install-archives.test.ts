/** Archives that nobody means well with, or that were damaged on the way: each is refused by name, and leaves nothing anywhere. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { installPlugin } from '../../src/index.ts';
import { UNPACK_LIMITS, unpackArchive } from '../../src/install/unpack.ts';
import { END, header, MANIFEST, type Member, member, pax, putArchive, SOURCE, sound, tar } from '../helpers/archives.ts';
import { rejection } from '../helpers/rejection.ts';

let home: string;
let pluginDir: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'chameleon-archives-'));
  pluginDir = join(home, 'plugins');
  await mkdir(pluginDir);
});
afterEach(() => rm(home, { recursive: true, force: true }));

const file = (path: string | Buffer, body: Member['body'] = 'x'): Member => ({ path, body });
const withFile = (...members: (Member | Buffer)[]): Buffer => gzipSync(tar([...sound(), ...members]));
const manifest = (fields: object): Buffer => gzipSync(tar(sound({ ...MANIFEST, ...fields })));
/** A size field beyond octal: base 256, as GNU tar writes large ones. */
const base256 = (first: number, ...last: number[]): Buffer =>
  Buffer.concat([Buffer.from([first]), Buffer.alloc(11 - last.length, first === 0xff ? 0xff : 0), Buffer.from(last)]);
const longName = (name: string): Buffer => member({ path: '././@LockLink', type: 'L', body: `${name}\0` });
/** Many headers for few bytes: each gzip member is a thousand of them. */
const folders = (thousands: number): Buffer => {
  const thousand = gzipSync(Buffer.concat(Array.from({ length: 1_000 }, (_, at) => header({ path: `package/d${at}/`, type: '5' }))));
  return Buffer.concat([...Array.from({ length: thousands }, () => thousand), gzipSync(tar(sound()))]);
};
const bomb = (bytes: number): Buffer => withFile(file('package/zeros', Buffer.alloc(bytes)));

const HOSTILE: [string, () => Buffer, RegExp][] = [
  // Ways out of the folder.
  ['an absolute path', () => withFile(file('/etc/passwd')), /absolute path/],
  ['an absolute path behind the top folder', () => withFile(file('package//etc/passwd')), /not written plainly/],
  ['a path that leads up', () => withFile(file('package/../../../evil')), /leads out/],
  ['a path that begins by leading up', () => withFile(file('../evil')), /leads out/],
  ['a top folder named ..', () => gzipSync(tar([file('../package.json', JSON.stringify(MANIFEST)), file('../index.js')])), /leads out/],
  ['a path that leads up and comes back', () => withFile(file('package/a/../b.js')), /leads out/],
  ['a folder that leads up', () => withFile({ path: 'package/../../evil/', type: '5' }), /leads out/],
  ['a backslash that leads up', () => withFile(file('package\\..\\..\\evil')), /backslash/],
  ['a drive letter', () => withFile(file('C:/evil')), /absolute path/],
  ['a prefix that leads up', () => withFile({ ...file('evil'), prefix: '../..' }), /leads out/],
  ['a pax path that leads up', () => withFile(pax({ path: 'package/../../evil' }), file('package/fine.js')), /leads out/],
  ['a pax path that is absolute', () => withFile(pax({ path: '/etc/passwd' }), file('package/fine.js')), /absolute path/],
  ['a long name that leads up', () => withFile(longName('package/../../../evil'), file('package/fine.js')), /leads out/],
  ['a path with a dot for a folder', () => withFile(file('package/./evil')), /not written plainly/],
  ['an empty name in a path', () => withFile(file('package/a//b')), /not written plainly/],
  // What is neither a file nor a folder.
  ['a symbolic link', () => withFile({ path: 'package/link', type: '2', linkpath: '/etc' }), /SymbolicLink/],
  [
    'a symbolic link and a file through it',
    () => withFile({ path: 'package/link', type: '2', linkpath: '../..' }, file('package/link/evil')),
    /SymbolicLink/,
  ],
  ['a symbolic link within the folder', () => withFile({ path: 'package/link.js', type: '2', linkpath: 'index.js' }), /SymbolicLink/],
  ['a hard link', () => withFile({ path: 'package/hard', type: '1', linkpath: '/etc/passwd' }), /kind Link/],
  [
    'a hard link and its content again',
    () => withFile({ path: 'package/hard', type: '1', linkpath: 'package/index.js' }, file('package/hard')),
    /kind Link/,
  ],
  ['a link without a target', () => withFile({ path: 'package/link', type: '2' }), /linkpath required/],
  ['a pax target for a file', () => withFile(pax({ linkpath: '/etc/passwd' }), file('package/fine.js')), /with a target/],
  ['a character device', () => withFile({ path: 'package/tty', type: '3' }), /CharacterDevice/],
  ['a block device', () => withFile({ path: 'package/disk', type: '4' }), /BlockDevice/],
  ['a named pipe', () => withFile({ path: 'package/pipe', type: '6' }), /FIFO/],
  ['a contiguous file', () => withFile({ path: 'package/c', type: '7' }), /ContiguousFile/],
  ['a sparse file', () => withFile({ path: 'package/sparse', type: 'S', body: 'x' }), /SparseFile/],
  ['a part of a file', () => withFile({ path: 'package/part', type: 'M', body: 'x' }), /ContinuationFile/],
  ['a kind that nobody knows', () => withFile({ path: 'package/what', type: 'Q', body: 'x' }), /Unsupported|kind/],
  // Names.
  ['a file twice', () => withFile(file('package/index.js', 'other')), /"index.js" twice/],
  ['two names that differ in case', () => withFile(file('package/INDEX.js')), /one name on some disks/],
  ['two names that differ in the form of their accents', () => withFile(file('package/é'), file('package/e\u0301')), /one name on some disks/],
  ['two folders that differ in case', () => withFile(file('package/Lib/a'), file('package/lib/b')), /one name on some disks/],
  ['a name that folds to two letters', () => withFile(file('package/straße'), file('package/STRASSE')), /one name on some disks/],
  ['a file that is a folder too', () => withFile(file('package/a'), file('package/a/b')), /as a file and as a folder/],
  ['a folder that is a file too', () => withFile(file('package/a/b'), file('package/a')), /as a file and as a folder/],
  ['two top folders', () => withFile(file('other/evil.js')), /two top folders/],
  ['a file beside the top folder', () => withFile(file('evil.js')), /two top folders/],
  ['a file that is the top folder', () => withFile(file('package')), /beside its top folder/],
  ['a control character', () => withFile(file('package/\u001b[2J')), /control character/],
  ['a name that is no UTF-8', () => withFile(file(Buffer.concat([Buffer.from('package/'), Buffer.from([0xff, 0xfe])]))), /no UTF-8/],
  ['a name that is too long', () => withFile(pax({ path: `package/${'n'.repeat(300)}` }), file('package/n')), /may take 255 bytes/],
  ['a path that is too long', () => withFile(pax({ path: `package/${'dir/'.repeat(400)}x` }), file('package/n')), /may take 1024 bytes/],
  ['folders without end', () => withFile(pax({ path: `package/${'d/'.repeat(100)}x` }), file('package/n')), /folders deep/],
  ['a record of integrity', () => withFile(file('package/.chameleon/integrity.json', '{}')), /no package may bring/],
  ['a record of integrity in other letters', () => withFile(file('package/.Chameleon/integrity.json', '{}')), /no package may bring/],
  ['a repository of git', () => withFile(file('package/.git/config')), /no package may bring/],
  ['a repository of git as a file', () => withFile(file('package/.git', 'gitdir: ../evil')), /no package may bring/],
  ['a repository further down', () => withFile(file('package/node_modules/a/.git/config')), /no package may bring/],
  ['a repository of Mercurial', () => withFile(file('package/.hg/hgrc')), /no package may bring/],
  ['a repository of Subversion', () => withFile(file('package/.SVN/entries')), /no package may bring/],
  ['a repository in another case', () => withFile(file('package/.GIT/config')), /no package may bring/],
  ['a repository in letters of full width', () => withFile(file('package/.ｇｉｔ/config')), /no package may bring/],
  ...[0x00_ad, 0x20_0b, 0x20_0c, 0x20_0d, 0x20_60, 0xfe_ff, 0x20_2e, 0xfe_0f, 0xe_00_01].map((code): [string, () => Buffer, RegExp] => [
    `a repository with an ignorable U+${code.toString(16)}`,
    () => withFile(file(`package/.g${String.fromCodePoint(code)}it/config`)),
    /no package may bring/,
  ]),
  ['a repository with a dot at the end', () => withFile(file('package/.git./config')), /no package may bring/],
  ['a repository with spaces at the end', () => withFile(file('package/.git  /config')), /no package may bring/],
  ['a repository as a stream of a file', () => withFile(file('package/.git::$INDEX_ALLOCATION/config')), /no package may bring/],
  ['a repository by its short name', () => withFile(file('package/GIT~1/config')), /no package may bring/],
  ['our record with an ignorable character', () => withFile(file('package/.chame\u200bleon/integrity.json')), /no package may bring/],
  ["npm's configuration with an ignorable character", () => withFile(file('package/.npm\ufeffrc')), /no package may bring/],
  ['two names that differ in an ignorable character', () => withFile(file('package/a.js'), file('package/a\u2060.js')), /one name on some disks/],
  ['two names that differ in a dot at the end', () => withFile(file('package/a'), file('package/a.')), /one name on some disks/],
  ['two names of two Unicode forms', () => withFile(file('package/\u00e9'), file('package/e\u0301')), /one name on some disks/],
  ['a configuration for npm', () => withFile(file('package/.npmrc', 'git=./evil.sh')), /no package may bring/],
  ['hooks for npm', () => withFile(file('package/node_modules/.hooks/install', '#!/bin/sh')), /no package may bring/],
  // Bombs.
  ['a bomb', () => bomb(24 * 2 ** 20), /as only a bomb does/],
  ['a bomb behind the end', () => gzipSync(Buffer.concat([tar(sound()), Buffer.alloc(24 * 2 ** 20)])), /as only a bomb does/],
  ['a million entries', () => folders(1_000), /entries|bomb/],
  ['an archive in an archive', () => gzipSync(gzipSync(tar(sound()))), /packed twice/],
  [
    'a description without end',
    () => withFile({ path: 'PaxHeader/x', type: 'x', body: Buffer.alloc(2 ** 21, 'a') }, file('package/a')),
    /more description/,
  ],
  ['a size that no disk has', () => withFile({ ...file('package/a'), size: base256(0x80, 0x7f, 0, 0, 0, 0, 0) }), /a file may have|safe integer/],
  [
    'a size beyond all numbers',
    () => withFile({ ...file('package/a'), size: base256(0x80, 0x7f, 0, 0, 0, 0, 0, 0, 0) }),
    /safe integer|a file may have/,
  ],
  ['a pax size that no disk has', () => withFile(pax({ size: '99999999999' }), file('package/a')), /a file may have/],
  ['a size below nothing', () => withFile({ ...file('package/a', ''), size: base256(0xff, 0xfe) }), /without a size/],
  ['a size that is no number', () => withFile({ ...file('package/a', ''), size: Buffer.from('not a number') }), /without a size/],
  // Damage.
  ['a wrong checksum', () => withFile({ ...file('package/a'), checksum: 1 }), /checksum failure/],
  ['an end in the middle of a file', () => gzipSync(tar([...sound(), header({ path: 'package/a', size: 5_000 })], Buffer.alloc(512))), /Truncated/],
  ['an end between two files', () => gzipSync(tar(sound(), Buffer.alloc(0))), /end mark is missing/],
  ['half the compressed bytes', () => withFile().subarray(0, 120), /cut short/],
  ['a flipped bit', () => flip(withFile(file('package/a', SOURCE))), /no \.tgz/],
  ['no compression', () => tar(sound()), /no \.tgz/],
  ['another format', () => Buffer.from('PK\u0003\u0004 a zip'), /no \.tgz/],
  ['text', () => gzipSync(Buffer.from('hello '.repeat(1_000))), /no sound tar/],
  ['nothing', () => Buffer.alloc(0), /end mark|cut short/],
  ['nothing, compressed', () => gzipSync(Buffer.alloc(0)), /end mark|no sound tar/],
  ['no entries', () => gzipSync(END), /no sound tar/],
];

/** Archives that are sound, of what is no plugin. */
const NO_PLUGIN: [string, () => Buffer, RegExp][] = [
  ['no package.json', () => gzipSync(tar([file('package/index.js', SOURCE)])), /is not there/],
  ['a package.json that is a folder', () => gzipSync(tar([{ path: 'package/package.json/', type: '5' }])), /not a regular file/],
  ['a package.json deeper down', () => gzipSync(tar([file('package/a/package.json', JSON.stringify(MANIFEST))])), /is not there/],
  ['a package.json that is not JSON', () => gzipSync(tar([file('package/package.json', '{')])), /is not JSON/],
  ['a package.json without end', () => gzipSync(tar([file('package/package.json', Buffer.alloc(2 ** 21, ' '))])), /larger than/],
  ['a name that leads up', () => manifest({ name: '../evil' }), /expected a plugin name/],
  ['a name that hides', () => manifest({ name: '.hidden' }), /expected a plugin name/],
  ['a name that is everyone’s', () => manifest({ name: 'constructor' }), /expected a plugin name/],
  ['a version that leads up', () => manifest({ version: '../../evil' }), /expected a semver version/],
  ['an entry that leads out', () => manifest({ main: '../../../etc/passwd' }), /relative path that stays inside/],
  ['an entry that is missing', () => manifest({ exports: './lib/main.js' }), /is not there/],
];

function flip(archive: Buffer): Buffer {
  const at = archive.length - 40;
  archive[at] = archive[at]! ^ 0x10;
  return archive;
}

async function put(bytes: Buffer): Promise<string> {
  const archive = join(home, 'hostile.tgz');
  await writeFile(archive, bytes);
  return archive;
}

async function expectNothingLeft(): Promise<void> {
  expect(await readdir(pluginDir)).toEqual([]);
  expect(await readdir(home)).toEqual(['hostile.tgz', 'plugins']);
}

describe('refused, with nothing left', () => {
  test.each(HOSTILE)('%s', async (_, bytes, reason) => {
    const archive = await put(bytes());
    const error = await rejection(installPlugin(archive, { pluginDir }));
    if (error.code === 'ERR_INSTALL_FAILED') expect(error).toMatchObject({ source: archive, phase: 'unpacking' });
    else expect(error.code).toBe('ERR_MANIFEST_INVALID');
    expect(error.message).toMatch(reason);
    await expectNothingLeft();
  });

  test.each(NO_PLUGIN)('%s', async (_, bytes, reason) => {
    const archive = await put(bytes());
    const error = await rejection(installPlugin(archive, { pluginDir }));
    expect(error).toMatchObject({ code: 'ERR_MANIFEST_INVALID', file: `${archive}: package.json`, message: expect.stringMatching(reason) });
    await expectNothingLeft();
  });

  test.each([
    ['entries', { entries: 3 }, /more than 3 entries/],
    ['bytes', { bytes: 4_000 }, /more than 4000 bytes|at most 4000/],
    ['bytes of one file', { fileBytes: 100 }, /a file may have 100/],
    ['bytes for each byte of the archive', { ratio: 10, ratioFromBytes: 1_000 }, /10 times its size/],
  ])('more than the limit of %s', async (_, limit, reason) => {
    const archive = await put(withFile(file('package/a', Buffer.alloc(20_000)), file('package/b')));
    await expect(unpackArchive(archive, join(home, 'out'), { ...UNPACK_LIMITS, ...limit })).rejects.toThrow(reason);
  });
});

describe('taken as they are meant', () => {
  test('the usual, whatever the top folder is called', async () => {
    const members = sound().map(({ path, body }) => file(String(path).replace('package', './hello-0123abc'), body));
    const archive = await putArchive(join(home, 'a.tgz'), [{ path: './hello-0123abc/', type: '5' }, ...members]);
    const result = await installPlugin(archive, { pluginDir });
    expect(result).toMatchObject({ plugin: 'packed', version: '1.0.0', dir: join(pluginDir, 'packed/1.0.0'), files: 2, outcome: 'installed' });
    expect(await readFile(join(result.dir, 'index.js'), 'utf8')).toBe(SOURCE);
    expect(await readdir(pluginDir)).toEqual(['packed']);
  });

  test("files that only tell of a repository, and dots where they are another name's", async () => {
    const names = ['.gitattributes', '.gitignore', '.github/workflows/a.yml', '...', 'git', 'a.b', 'a.b.c'];
    await writeFile(join(home, 'a.tgz'), withFile(...names.map((name) => file(`package/${name}`))));
    expect(await installPlugin(join(home, 'a.tgz'), { pluginDir })).toMatchObject({ files: 2 + names.length });
  });

  test('long names, of pax and of GNU, many sizes, and folders that are not listed', async () => {
    const long = `package/${'d'.repeat(120)}/${'f'.repeat(120)}.js`;
    const sizes = [0, 1, 511, 512, 513, 65_535, 65_536, 65_537, 1_000_000];
    const archive = await putArchive(join(home, 'a.tgz'), [
      ...sound(),
      pax({ path: long, mtime: '1.5', comment: 'hi' }),
      file('package/short', 'pax'),
      longName(long.replaceAll('f', 'g')),
      file('package/short', 'gnu'),
      ...sizes.map((bytes) => file(`package/sizes/${bytes}`, Buffer.alloc(bytes, 'abc'))),
    ]);
    const { dir } = await installPlugin(archive, { pluginDir });
    expect(await readFile(join(dir, long.slice(8)), 'utf8')).toBe('pax');
    expect(await readFile(join(dir, long.slice(8).replaceAll('f', 'g')), 'utf8')).toBe('gnu');
    for (const bytes of sizes) {
      const written = await readFile(join(dir, 'sizes', String(bytes)));
      expect(written.equals(Buffer.alloc(bytes, 'abc')), String(bytes)).toBe(true);
    }
  });

  test('of a mode only that it may be run', async () => {
    const archive = await putArchive(join(home, 'a.tgz'), [
      ...sound(),
      { ...file('package/setuid'), mode: 0o6777 },
      { ...file('package/open'), mode: 0o666 },
      { ...file('package/closed'), mode: 0 },
    ]);
    const { dir } = await installPlugin(archive, { pluginDir });
    const mode = async (name: string): Promise<number> => (await stat(join(dir, name))).mode & 0o7777;
    const mask = process.umask();
    expect(await mode('setuid')).toBe(0o755 & ~mask);
    expect(await mode('open')).toBe(0o644 & ~mask);
    expect(await mode('closed')).toBe(0o644 & ~mask);
  });

  test('a scoped name goes into the folder of its scope', async () => {
    const archive = await putArchive(join(home, 'a.tgz'), sound({ ...MANIFEST, name: '@scope/packed' }));
    expect(await installPlugin(archive, { pluginDir })).toMatchObject({ dir: join(pluginDir, '@scope/packed/1.0.0') });
  });
});
