/** `build`: what is packed runs without its source, is the same for the same input, and is refused for what is wrong with it. */
import { createHash } from 'node:crypto';
import { cp, readFile, readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { list } from 'tar';
import { describe, expect, test } from 'vitest';
import type { BuildFailedError } from '../../src/build-errors.ts';
import type { ManifestInvalidError, StartFailedError } from '../../src/index.ts';
import { putProject } from '../helpers/author.ts';
import { readJson, useBuilds } from '../helpers/builds.ts';
import { rejection } from '../helpers/rejection.ts';
import { examples, useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const { tempDir } = supervise;
const manifest = { name: 'shop', version: '1.2.3', type: 'module', main: 'index.js' };

const { build, built, unpacked } = useBuilds(tempDir);

describe('what is packed', () => {
  test('is bundled with its dependencies, keeps its assets beside it, and runs with neither', async () => {
    const result = await built({
      'package.json': {
        ...manifest,
        main: 'src/index.ts',
        description: 'Sells.',
        files: ['src/*.txt'],
        scripts: { prepack: 'exit 1' },
        engines: { chameleon: '^1.0.0', node: '>=20' },
        dependencies: { tax: '^1.0.0' },
        devDependencies: { other: '*' },
        chameleon: { methods: { price: { idempotent: true } } },
      },
      'src/index.ts': `
        import { readFileSync } from 'node:fs';
        import { definePlugin } from 'chameleon-supervisor/plugin';
        import { withTax } from 'tax';
        const currency = readFileSync(new URL('currency.txt', import.meta.url), 'utf8');
        export default definePlugin({ methods: {
          price(count: number): string { return withTax(count * 10) + ' ' + currency; },
          about(this: { id: number }) { return typeof this.id; },
        } });`,
      'src/currency.txt': 'francs',
      'src/secret.txt.bak': 'not for others',
      'README.md': '# Shop',
      '.env': 'SECRET=1',
      'node_modules/tax/package.json': { name: 'tax', version: '1.0.0' },
      'node_modules/tax/index.js': `const { format } = require('util'); exports.withTax = (net) => format('%s', net + 1);`,
    });
    expect(result).toMatchObject({ name: 'shop', version: '1.2.3', methods: ['about', 'price'], dependencies: {}, warnings: '' });
    expect(result.files).toEqual(['README.md', 'client.d.ts', 'package.json', 'src/currency.txt', 'src/index.js']);
    const dir = await unpacked(result);
    expect((await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())).toHaveLength(result.files.length);
    expect(await readJson(join(dir, 'package.json'))).toEqual({
      name: 'shop',
      version: '1.2.3',
      description: 'Sells.',
      engines: { chameleon: '^1.0.0', node: '>=20' },
      type: 'module',
      main: 'src/index.js',
      types: 'client.d.ts',
      chameleon: { methods: { about: {}, price: { idempotent: true } } },
    });
    const { supervisor } = await supervise();
    await supervisor.load(dir);
    expect(await supervisor.call('shop', 'price', [2])).toBe('21 francs');
    expect(await supervisor.call('shop', 'about')).toBe('number');
  });

  test('is the same bytes for the same input, from another folder and at another time too', async () => {
    const files = {
      'package.json': { ...manifest, main: 'index.ts', files: ['data'] },
      'index.ts': `import { a } from './lib/a.ts'; import dep from 'dep'; export default { methods: { a: (n: number) => a + n, b: () => dep.where } };`,
      'lib/a.ts': 'export const a = 1;',
      'data/z.json': '{}',
      'data/a.json': '{}',
      'node_modules/dep/package.json': { name: 'dep', version: '1.0.0' },
      'node_modules/dep/index.js': 'exports.where = __filename;',
    };
    const first = await putProject(await tempDir(), files);
    const second = await putProject(join(await tempDir(), 'quite/another/place'), Object.fromEntries(Object.entries(files).reverse()));
    for (const entry of await readdir(second, { recursive: true })) await utimes(join(second, entry), new Date(0), new Date(0));
    const results = [await build(first), await build(first), await build(second)];
    const [bytes, ...others] = await Promise.all(results.map(({ file }) => readFile(file)));
    for (const other of others) expect(other.equals(bytes!)).toBe(true);
    expect(new Set(results.map(({ integrity }) => integrity)).size).toBe(1);
    expect(results[0]).toMatchObject({ integrity: `sha512-${createHash('sha512').update(bytes!).digest('base64')}`, bytes: bytes!.length });
    expect(bytes!.readUInt32LE(4), 'the time in the header of gzip').toBe(0);
    const heads: { path: string; mode?: number; uid?: number; uname?: string }[] = [];
    await list({ file: results[0]!.file, onReadEntry: ({ path, mode, uid, uname }) => void heads.push({ path, mode, uid, uname }) });
    expect(heads.map(({ path }) => path)).toEqual(results[0]!.files.map((file) => `package/${file}`));
    for (const { mode, uid, uname } of heads) expect({ mode, uid, uname }).toEqual({ mode: 0o644, uid: undefined, uname: '' });
  });

  test.each<[string, Record<string, string | object>]>([
    [
      'CommonJS',
      {
        'package.json': { ...manifest, type: 'commonjs' },
        'index.js': "module.exports = { methods: { who: () => require('./b').b + typeof __dirname } };",
        'b.js': "exports.b = 'b';",
      },
    ],
    [
      'CommonJS by its name',
      {
        'package.json': { ...manifest, main: 'index.cjs' },
        'index.cjs': "exports.methods = { who: () => require('./b.cjs').b + typeof __dirname };",
        'b.cjs': "exports.b = 'b';",
      },
    ],
    [
      'TypeScript by the name of what it is built to',
      {
        'package.json': { ...manifest, main: 'index.mjs' },
        'index.mts': "export const methods = { who: (): string => 'b' + typeof import.meta.dirname };",
      },
    ],
    [
      'a module with its own require and __dirname',
      {
        'package.json': manifest,
        'index.js':
          "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url); const __dirname = import.meta.dirname; export default { methods: { who: () => require('./package.json').name.slice(-1).replace('p', 'b') + typeof __dirname } };",
      },
    ],
  ])('may be written as %s', async (_, files) => {
    const dir = await unpacked(await built(files));
    const { supervisor } = await supervise();
    await supervisor.load(dir);
    expect(await supervisor.call('shop', 'who')).toBe('bstring');
  });

  test('a plugin in another language is packed with the files that it names', async () => {
    const dir = join(await tempDir(), 'wordcount');
    await cp(join(examples, 'wordcount/1.0.0'), dir, { recursive: true });
    const wordcount = await readJson(join(dir, 'package.json'));
    expect(await rejection<BuildFailedError>(build(dir))).toMatchObject({ code: 'ERR_BUILD_FAILED', issues: [{ path: 'files' }] });
    await putProject(dir, { 'package.json': { ...wordcount, files: ['main.py'] } });
    const result = await build(dir);
    expect(result.files).toEqual(['client.d.ts', 'main.py', 'package.json']);
    const { supervisor } = await supervise();
    await supervisor.load(await unpacked(result));
    expect(supervisor.methods('wordcount')).toEqual(expect.arrayContaining(result.methods));
  });
});

describe('what is wrong is told, and nothing is written', () => {
  const STARTED = 'export default { methods: { a() {} } };';
  test.each<[string, Record<string, string | object>, object]>([
    [
      'a mistake of syntax',
      { 'package.json': manifest, 'index.js': 'export default {\n  methods: { a( }\n};' },
      { code: 'ERR_BUILD_FAILED', issues: [{ path: 'index.js:2:17' }], message: expect.stringContaining('2 │   methods: { a( }') },
    ],
    [
      'a module that is not there',
      { 'package.json': manifest, 'index.js': "import './gone.js';" },
      { code: 'ERR_BUILD_FAILED', issues: [{ path: 'index.js:1:8', message: 'Could not resolve "./gone.js"' }] },
    ],
    [
      'a package that is not installed',
      { 'package.json': manifest, 'index.js': "import 'left-pad';" },
      { code: 'ERR_BUILD_FAILED', issues: [{ message: 'Could not resolve "left-pad"' }] },
    ],
    ['no entry', { 'package.json': manifest }, { code: 'ERR_MANIFEST_INVALID', issues: [{ path: 'main' }] }],
    ['no package.json', {}, { code: 'ERR_MANIFEST_INVALID', message: expect.stringContaining('chameleon-supervisor init') }],
    [
      'a manifest with mistakes',
      { 'package.json': { ...manifest, version: 'v1', chameleon: { method: {} } }, 'index.js': STARTED },
      { code: 'ERR_MANIFEST_INVALID', issues: [{ path: 'version' }, { path: 'chameleon.method' }] },
    ],
    [
      'an engine that is not this one',
      { 'package.json': { ...manifest, engines: { chameleon: '^99' } }, 'index.js': STARTED },
      { code: 'ERR_MANIFEST_INVALID', issues: [{ path: 'engines.chameleon' }] },
    ],
    [
      'a plugin that throws when it is imported',
      { 'package.json': manifest, 'index.js': "throw new Error('no luck');" },
      { code: 'ERR_START_FAILED', phase: 'import', message: expect.stringContaining('no luck') },
    ],
    [
      'no methods at all',
      { 'package.json': manifest, 'index.js': 'export const nothing = 1;' },
      { code: 'ERR_START_FAILED', message: expect.stringContaining('exports no methods') },
    ],
    [
      'methods that are none',
      { 'package.json': manifest, 'index.js': 'export default { methods: {} };' },
      { code: 'ERR_BUILD_FAILED', issues: [{ path: 'methods' }] },
    ],
    [
      'a method that is declared and not there',
      { 'package.json': { ...manifest, chameleon: { methods: { b: {} } } }, 'index.js': STARTED },
      { code: 'ERR_MANIFEST_INVALID', issues: [{ path: 'chameleon.methods.b', message: expect.stringContaining('there is a') }] },
    ],
  ])('%s', async (_, files, error) => {
    const target = await tempDir();
    expect(await rejection<ManifestInvalidError | StartFailedError>(built(files, { file: join(target, 'a.tgz') }))).toMatchObject(error);
    expect(await readdir(target)).toEqual([]);
  });

  test('a forgotten dependency is told with the command that installs it, not as one to leave outside', async () => {
    const error = await rejection<BuildFailedError>(built({ 'package.json': manifest, 'index.js': "import '@acme/left-pad/deep.js';" }));
    expect(error.message).toContain('@acme/left-pad is not installed: npm install @acme/left-pad');
    expect(error.message).not.toContain('as external');
  });

  test('an error of the import names no folder of the trial, which is gone', async () => {
    const files = { 'package.json': manifest, 'index.js': "throw new Error('no luck in ' + import.meta.url);" };
    const error = await rejection<StartFailedError>(built(files));
    expect(error).toMatchObject({ code: 'ERR_START_FAILED', phase: 'import' });
    expect(error.message).toMatch(/no luck in index\.js/);
    expect(error.message).not.toContain('chameleon-build-');
  });
});

describe('the methods', () => {
  const withHooks = `
    import { writeFileSync } from 'node:fs';
    const tell = (what) => () => writeFileSync(new URL('ran', process.env.CHAMELEON_TEST_RAN), what);
    export default { init: tell('init'), health: tell('health'), free: tell('free'), methods: { b() {}, a() {} } };`;

  test('are learnt from the import alone: no hook of the plugin runs', async () => {
    const ran = await tempDir();
    const supervisor = { plugins: { shop: { env: { CHAMELEON_TEST_RAN: `file://${ran}/` } } } };
    expect(await built({ 'package.json': manifest, 'index.js': withHooks }, { supervisor })).toMatchObject({ methods: ['a', 'b'] });
    expect(await readdir(ran)).toEqual([]);
  });

  test('are those of package.json without a run, and nothing of the plugin is executed', async () => {
    const declared = { ...manifest, chameleon: { methods: { b: { idempotent: true }, a: {} } } };
    const source = "throw new Error('ran'); export default { methods: { a() {}, b() {} } };";
    const result = await built({ 'package.json': declared, 'index.js': source }, { run: false });
    expect(result.methods).toEqual(['a', 'b']);
    expect(await readJson(join(await unpacked(result), 'package.json'))).toMatchObject({
      chameleon: { methods: { a: {}, b: { idempotent: true } } },
    });
    expect(await rejection(built({ 'package.json': manifest, 'index.js': source }, { run: false }))).toMatchObject({
      code: 'ERR_BUILD_FAILED',
      issues: [{ path: 'chameleon.methods', message: expect.stringContaining('is missing') }],
    });
  });
});
