/**
 * F54: no name and no version, however it is spelt, is anything but a typed error, and none leads out of the plugin folder. None holds the
 * event loop.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { scanCatalog } from '../../src/catalog/catalog.ts';
import { parseManifest } from '../../src/catalog/manifest.ts';
import { parseReference } from '../../src/catalog/reference.ts';
import { readRelease } from '../../src/catalog/release.ts';
import { isChameleonError, ManifestInvalidError, PluginNotFoundError, VersionNotFoundError } from '../../src/errors.ts';
import { isPluginName, isVersion } from '../../src/util/naming.ts';
import { expectBrief, expectNeverHeld } from '../helpers/held.ts';

// prettier-ignore
const NAMES = [
  '', ' ', '.', '..', '...', './a', '../x', '../outside', 'a/..', 'a/../b', 'a/../../outside', '/a', '/etc/passwd', 'a//b', 'a/b', 'a/b/c', 'a/',
  '@', '@/', '@/a', '@a', '@a/', '@a/b/c', '@../a', '@a/..', '@a/.b', '@a/_b', '@.a/b', '@A/b', '@a/B', '@a b/c', '@@a/b', '@a/../b', '@a\\b',
  '%2e%2e', '%2e%2e%2foutside', '%2F', '..%2foutside', '%00', 'a%2f..', '..%c0%af', '%252e%252e', '..\\..\\x', 'a\\b', '\\', 'C:\\x', 'C:x',
  '\\\\s\\x', '\0', 'a\0', '\0a', 'a\0b', 'a\n', '\na', 'a\nb', 'a\rb', 'a\r\n', 'a\tb', ' a', 'a ', 'a b', '\x1b[2J', '\x7f', '\x08', '\u0085',
  '\u2028', '\u00a0', '-', '-a', '--help', '_', '_a', '.a', '.hidden', '.git', '.config', '__proto__', 'constructor', 'node_modules', 'favicon.ico',
  '@a/constructor', 'A', 'Hello', 'HELLO', 'hellO', 'héllo', 'ｈello', 'hеllo', 'ℎello', 'hello\u200b', '\u202ehello', '\ufeffhello', 'hel\u0301lo',
  '你好', '😀', 'ı', 'ß', '\ud800', 'a\udfff', 'a'.repeat(215), 'a'.repeat(300), 'a'.repeat(100_000), `@${'a'.repeat(110)}/${'b'.repeat(110)}`,
  '/'.repeat(300), '../'.repeat(99), 'a:b', 'a*', '*', 'a?', 'a"b', "a'b", 'a<b', 'a>b', 'a|b', 'a;b', 'a&b', '$(id)', '`id`', '${x}', '$a', 'a#b',
  'a!b', '~', '~root', 'a~', 'a=b', 'a,b', 'a+b', 'a(b)', '[a]', '{a}', 'a^b', 'file:///etc/passwd', 'http://x/y', 'git+ssh://x', 'toString',
  'hasOwnProperty', 'valueOf', 'NaN', 'Infinity',
];
// prettier-ignore
const VERSIONS = [
  '', ' ', '.', '..', '1', '1.0', '1.', '.1', '1..0', '1.0.', '1.0.0.0', '1.0.0.', 'v1.0.0', 'V1.0.0', '=1.0.0', ' 1.0.0', '1.0.0 ', '1.0.0\n',
  '\n1.0.0', '01.0.0', '1.00.0', '1.0.00', '00.0.0', '1.0.0-', '1.0.0-01', '1.0.0-a..b', '1.0.0-.a', '1.0.0-a.', '1.0.0-a b', '1.0.0-é', '1.0.0-_',
  '1.0.0_a', '1.0.0a', '1.0.0+', '1.0.0+build', '1.0.0-a+b', '1.0.0+a/b', '1.0.0+..', '1.0.0/..', '1.0.0/../..', '../1.0.0', './1.0.0', '/1.0.0',
  '1.0.0/', '1.0.0\\..', '1/0/0', '1.0.0\0', '\0', '1.0.0\0.js', '1.0.0-a/../..', '1.0.0-..', '1.0.0-%2e', '1.0.0%2f..', '%31.0.0', '%2e%2e',
  '..%2f', 'latest', 'next', 'current', 'HEAD', '*', 'x', 'X', '1.x', '1.0.x', '^1.0.0', '~1.0.0', '>=1.0.0', '<2', '1.0.0 || 2.0.0',
  '1.0.0 - 2.0.0', '9007199254740992.0.0', '1e3.0.0', '0x1.0.0', '-1.0.0', '1.-1.0', '１.0.0', '1.0.0\u200b', '\u202e1.0.0', '١.0.0', 'NaN',
  'Infinity', 'null', 'true', '__proto__', 'constructor', '1,0,0', '1_0_0', '1.0.0;', '"1.0.0"', '1.0.0\t', '1.0.0\r', '1.0.0$(id)',
  `1.0.0-${'a'.repeat(300)}`, `${'1'.repeat(300)}.0.0`, '1.0.0-'.repeat(20_000), 'file:.', 'npm:x@1.0.0',
];
/** Each of several megabytes, and of a kind that a careless expression goes over again and again. */
const HUGE = ['a', '/', '@', '.', '-', ' ', 'a/', '../', '@a/', '1 || ', '1.', '1.0.0-', '\0', '世'].map((piece) => piece.repeat(2 ** 22));
const NO_STRINGS: unknown[] = [null, 0, 1.5, true, [], ['hello'], {}, { toString: 'x' }];

let top: string;
let plugins: string;
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'chameleon-names-')));
  plugins = join(top, 'plugins');
  for (const dir of ['plugins/hello/1.0.0', 'outside/1.0.0']) {
    mkdirSync(join(top, dir), { recursive: true });
    writeFileSync(join(top, dir, 'package.json'), JSON.stringify({ name: 'hello', version: '1.0.0' }));
    writeFileSync(join(top, dir, 'index.js'), '');
  }
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const everything = (): string[] =>
  (readdirSync(top, { recursive: true }) as string[]).sort().map((path) => `${path} ${statSync(join(top, path)).mtimeMs}`);
const asFolder = (name: string): boolean =>
  !/[/\0]/.test(name) && !['', '.', '..'].includes(name) && Buffer.byteLength(name) <= 255 && Buffer.from(name).toString() === name;

/** Puts a plugin there that says of itself what the table says, unless the file system itself refuses. */
function putPlugin(dir: string, name: unknown, version: unknown): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name, version }));
  writeFileSync(join(dir, 'index.js'), '');
}

describe('F54: names and versions', () => {
  test('the table is as long as was promised, and none of it is good', () => {
    expect(new Set([...NAMES, ...VERSIONS]).size).toBeGreaterThan(200);
    expect(NAMES.filter(isPluginName)).toEqual([]);
    expect(VERSIONS.filter(isVersion)).toEqual([]);
  });

  test('a reference with any of them is a plugin or a version that does not exist', () => {
    for (const name of NAMES)
      for (const range of ['', '@^1'])
        expect(
          () =>
            expectBrief(
              () => name,
              () => parseReference(name + range),
            ),
          name,
        ).toThrow(PluginNotFoundError);
    for (const version of VERSIONS) {
      try {
        // Some of them are good ranges, though no versions; a range never names a folder.
        expect(
          expectBrief(
            () => version,
            () => parseReference(`hello@${version}`),
          ),
        ).toEqual({ name: 'hello', range: version });
        expect(version).not.toMatch(/[/\\\0\n%]|\.\./);
      } catch (error) {
        expect(error).toBeInstanceOf(VersionNotFoundError);
        expect((error as Error).message.length).toBeLessThan(500);
      }
    }
  });

  test('a manifest with any of them is refused at that field, in a message of bounded length', () => {
    const refused = (manifest: object, field: string): void => {
      try {
        const text = JSON.stringify(manifest);
        expectBrief(
          () => text,
          () => parseManifest('package.json', text),
        );
        expect.fail(JSON.stringify(manifest).slice(0, 200));
      } catch (error) {
        expect(error).toBeInstanceOf(ManifestInvalidError);
        expect((error as ManifestInvalidError).issues.map((issue) => issue.path)).toEqual([field]);
        expect((error as Error).message.length).toBeLessThan(1_000);
      }
    };
    for (const name of [...NAMES, ...NO_STRINGS]) refused({ name, version: '1.0.0' }, 'name');
    for (const version of [...VERSIONS, ...NO_STRINGS]) refused({ name: 'hello', version }, 'version');
  });

  test('what is megabytes long is refused without holding the event loop', () => {
    const refusal = (act: () => unknown): unknown => {
      try {
        return act();
      } catch (error) {
        return error;
      }
    };
    for (const huge of HUGE) {
      const brief = (act: () => unknown): unknown =>
        expectBrief(
          () => JSON.stringify(huge.slice(0, 10)),
          () => refusal(act),
        );
      expect(brief(() => parseReference(huge))).toBeInstanceOf(PluginNotFoundError);
      expect(brief(() => parseReference(`hello@${huge}`))).toBeInstanceOf(VersionNotFoundError);
      expect([isPluginName(huge), isVersion(huge)]).toEqual([false, false]);
      // As long as a package.json may be, and too long.
      for (const text of [huge.slice(0, 2 ** 19), huge]) {
        for (const manifest of [
          { name: text, version: '1.0.0' },
          { name: 'hello', version: text },
          { name: 'hello', version: '1.0.0', engines: { node: text } },
        ]) {
          const json = JSON.stringify(manifest);
          expect(brief(() => parseManifest('package.json', json))).toBeInstanceOf(ManifestInvalidError);
        }
      }
    }
  });

  test('a catalog full of them holds the one good plugin, and touches nothing outside', async () => {
    let bad = 0;
    for (const name of NAMES.filter(asFolder)) putPlugin(join(plugins, name), name, '1.0.0');
    for (const version of VERSIONS.filter(asFolder)) putPlugin(join(plugins, 'hello', version), 'hello', version);
    for (const name of [...NAMES, ...NO_STRINGS]) putPlugin(join(plugins, `named-${bad++}`, '1.0.0'), name, '1.0.0');
    for (const version of [...VERSIONS, ...NO_STRINGS]) putPlugin(join(plugins, `versioned-${bad++}`, '1.0.0'), `versioned-${bad - 1}`, version);
    const before = everything();
    let catalog = await scanCatalog(plugins);
    await expectNeverHeld('the catalog', async () => (catalog = await scanCatalog(plugins)));
    expect([...catalog.releases.values()].flat().map((release) => release.dir)).toEqual([join(plugins, 'hello/1.0.0')]);
    expect(catalog.refused.length).toBeGreaterThan(bad);
    for (const { path, error } of catalog.refused) {
      expect(path.startsWith(plugins + sep)).toBe(true);
      expect(isChameleonError(error)).toBe(true);
    }
    expect(everything()).toEqual(before);
  });

  test('an entry with any of them stays inside its folder or is refused', async () => {
    writeFileSync(join(top, 'plugins/index.js'), '');
    const dir = join(plugins, 'hello/1.0.0');
    for (const main of [...NAMES, '../index.js', '../../index.js', '../../../outside/1.0.0/index.js', join(top, 'outside/1.0.0/index.js')]) {
      writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'hello', version: '1.0.0', main }));
      const entry = await readRelease(dir).then(
        (release) => release.entry,
        (error: unknown) => {
          expect(error).toBeInstanceOf(ManifestInvalidError);
          return null;
        },
      );
      if (entry !== null) expect(entry).toBe(join(dir, 'index.js'));
    }
  });

  test('whatever text comes, a name that is let through is its own folder', () => {
    const pieces = fc.constantFrom(
      ...NAMES.filter((name) => name.length < 20),
      ...VERSIONS.filter((version) => version.length < 20),
      'hello',
      '@scope',
      '/',
      '@',
      '1.0.0',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.array(pieces, { maxLength: 5 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (reference) => {
        try {
          const { name, range } = expectBrief(
            () => reference,
            () => parseReference(reference),
          );
          expect(range === null ? name : `${name}@${range}`).toBe(reference);
          expect(name.split('/')).toHaveLength(name.startsWith('@') ? 2 : 1);
          expect(join(plugins, name)).toBe(`${plugins}${sep}${name}`);
          expect(name).toMatch(/^[@a-z0-9][a-z0-9._/-]*$/);
        } catch (error) {
          expect(error instanceof PluginNotFoundError || error instanceof VersionNotFoundError).toBe(true);
        }
      }),
      { seed: 54, numRuns: 20_000 },
    );
    expect(existsSync(join(top, 'outside/1.0.0/index.js'))).toBe(true);
  });
});
