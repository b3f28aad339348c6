import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../src/catalog/manifest.ts';
import { type Issue, ManifestInvalidError } from '../../src/errors.ts';

const named = { name: 'hello', version: '1.0.0' };
const parse = (json: unknown) => parseManifest('/p/package.json', typeof json === 'string' ? json : JSON.stringify(json));

function issuesOf(json: unknown): readonly Issue[] {
  try {
    parse(json);
  } catch (error) {
    expect(error).toBeInstanceOf(ManifestInvalidError);
    expect((error as ManifestInvalidError).file).toBe('/p/package.json');
    return (error as ManifestInvalidError).issues;
  }
  return [];
}
const paths = (json: unknown): string[] => issuesOf(json).map((issue) => issue.path);

describe('a manifest', () => {
  test('is what package.json says, and nothing besides', () => {
    const chameleon = { methods: { greet: { idempotent: true, timeoutMs: 500 } } };
    expect(parse({ ...named, main: './lib/a.js', scripts: { test: 'x' }, engines: { node: '>=20', npm: 'any' }, chameleon })).toEqual({
      name: 'hello',
      version: '1.0.0',
      entry: './lib/a.js',
      command: null,
      methods: { greet: { idempotent: true, timeoutMs: 500 } },
      engines: { chameleon: null, node: '>=20' },
    });
  });

  test.each([
    [{}, 'index.js'],
    [{ main: 'a.cjs', exports: './b.js' }, './b.js'],
    [{ main: 'a.cjs', exports: null }, 'a.cjs'],
    [{ exports: './b.js' }, './b.js'],
    [{ exports: { '.': './b.js', './other': './c.js' } }, './b.js'],
    [{ exports: { '.': { types: './b.d.ts', import: './b.mjs', require: './b.cjs' } } }, './b.mjs'],
    [{ exports: { '.': { browser: './no.js', node: { types: './b.d.ts', default: './b.js' }, default: './no.js' } } }, './b.js'],
    [{ exports: { types: './b.d.ts', require: './b.cjs', import: './b.mjs' } }, './b.mjs'],
    [{ exports: { '.': [{ browser: './no.js' }, './b.js'] } }, './b.js'],
  ])('%j has the entry %s, as Node has it', (fields, entry) => {
    expect(parse({ ...named, ...fields }).entry).toBe(entry);
  });

  test('a plugin in another language is a command and has no entry', () => {
    expect(parse({ ...named, main: 'x.js', chameleon: { command: ['python3', 'main.py'] } })).toMatchObject({
      entry: null,
      command: ['python3', 'main.py'],
    });
    for (const command of [[], [''], 'python3 main.py', ['a\0'], [1], null])
      expect(paths({ ...named, chameleon: { command } })[0]).toMatch(/^chameleon\.command/);
  });

  test('tells every mistake at once', () => {
    const chameleon = { method: {}, methods: { greet: { idempotant: true, timeoutMs: 0 }, '$/ping': {}, 'rpc.x': {} } };
    expect(paths({ name: 'No', version: 'v1', main: '../x.js', engines: { node: 'new', chameleon: 1 }, chameleon }).sort()).toEqual([
      'chameleon.method',
      'chameleon.methods.greet.idempotant',
      'chameleon.methods.greet.timeoutMs',
      'chameleon.methods["$/ping"]',
      'chameleon.methods["rpc.x"]',
      'engines.chameleon',
      'engines.node',
      'main',
      'name',
      'version',
    ]);
    expect(issuesOf({ ...named, chameleon: { methods: { greet: { idempotant: true } } } })[0]?.message).toContain('"idempotent"');
  });

  test('that is missing its name and version says so', () => {
    expect(issuesOf({})).toEqual([
      { path: 'name', message: expect.stringContaining('got nothing') },
      { path: 'version', message: expect.stringContaining('got nothing') },
    ]);
  });

  test.each(['../x.js', '/etc/x.js', 'a/../../x.js', '..', '', 'a\0b', '..\\x', 'C:\\x', 5, null])(
    'never has the entry %j, which would leave its folder',
    (main) => {
      expect(paths({ ...named, main })).toEqual(['main']);
      if (typeof main === 'string') expect(paths({ ...named, exports: { '.': { import: main } } })).toEqual(['exports']);
    },
  );

  test('that is no JSON says in which line', () => {
    expect(issuesOf('{\n  "name": "hello"\n  "version": "1.0.0"\n}')[0]?.message).toMatch(/^is not JSON: .*\(line 3, column 3\)$/);
    expect(issuesOf('{\n  "name": "hello",')[0]?.message).toMatch(/\(line 2, column \d+\)$/);
    expect(issuesOf('{\n  "name": hello\n}')[0]?.message).toBe("is not JSON: Unexpected token 'h' (line 2, column 11)");
    expect(issuesOf(`{"name": "hello", "a": [${'1,'.repeat(10_000)}]}`)[0]?.message).toBe("is not JSON: Unexpected token ']' (line 1, column 20025)");
    for (const text of ['', ' ', '\0', 'null', '[]', '"x"', '1', '// x\n{}', "{'a': 1}"]) expect(paths(text)).toEqual(['']);
  });

  test('that begins with a byte order mark, or is larger than a megabyte, says so', () => {
    expect(issuesOf(`\ufeff${JSON.stringify(named)}`)[0]?.message).toMatch(/byte order mark/);
    expect(issuesOf(JSON.stringify({ ...named, description: 'x'.repeat(2 ** 20) }))[0]?.message).toMatch(/larger than 1048576/);
  });

  test('pollutes nothing, and finds no method that was not declared', () => {
    expect(paths(`{"name":"hello","version":"1.0.0","chameleon":{"methods":{"__proto__":{"idempotent":true},"constructor":{}}}}`).sort()).toEqual([
      'chameleon.methods.__proto__',
      'chameleon.methods.constructor',
    ]);
    expect(parse(`{"name":"hello","version":"1.0.0","__proto__":{"main":"x.js"}}`).entry).toBe('index.js');
    expect('toString' in parse(named).methods).toBe(false);
  });

  test('with conditions nested without end is refused by name', () => {
    expect(paths(`{"name":"hello","version":"1.0.0","exports":${'{"import":'.repeat(40_000)}"./x.js"${'}'.repeat(40_000)}}`)).toHaveLength(1);
  });
});
