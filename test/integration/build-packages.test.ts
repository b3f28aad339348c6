/** `build` and packages: what breaks in a bundle is installed with the plugin, and the trial reaches nothing else. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BuildFailedError } from '../../src/build-errors.ts';
import type { StartFailedError } from '../../src/index.ts';
import { readJson, useBuilds } from '../helpers/builds.ts';
import { installed, type FakePackage } from '../helpers/packages.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const { tempDir } = useSupervisors();
const { built, unpacked } = useBuilds(tempDir);
const manifest = { name: 'shop', version: '1.2.3', type: 'module', main: 'index.js' };
const depends = (...names: string[]): object => ({ ...manifest, dependencies: Object.fromEntries(names.map((name) => [name, '*'])) });

const plain: FakePackage = { files: { 'index.js': "exports.plain = 'plain';" } };
/** Reads a file that stands beside it, in one of the ways that packages have. */
const reader = (how: string): FakePackage => ({ files: { 'index.js': how, 'data.txt': 'data' } });
const DIRNAME = "exports.data = require('fs').readFileSync(require('path').join(__dirname, 'data.txt'), 'utf8');";
const useReader = "import { data } from 'reader'; export default { methods: { [data]() {} } };";

describe('the trial', () => {
  test('reaches only what is installed with the plugin; its error names the package and the way out', async () => {
    const files = {
      'package.json': depends('plain'),
      'index.js': `import { createRequire } from 'node:module';
        const path = createRequire(import.meta.url).resolve('plain/package.json');
        export default { methods: { where: () => path } };`,
      ...installed({ plain }),
    };
    const error = await rejection<StartFailedError>(built(files));
    expect(error).toMatchObject({ code: 'ERR_START_FAILED', phase: 'import', hint: expect.stringContaining('build with --external plain') });
    expect(await built(files, { external: ['plain'] })).toMatchObject({ methods: ['where'], dependencies: { plain: '1.0.0' }, warnings: '' });
  });

  test('does not run methods, so a package that a method looks up is told', async () => {
    const files = {
      'package.json': depends('plain'),
      'index.js': `import { createRequire } from 'node:module';
        import { plain } from 'plain';
        export default { methods: { where: () => plain + createRequire(import.meta.url).resolve('plain/package.json') } };`,
      ...installed({ plain }),
    };
    expect((await built(files)).warnings).toBe('plain is looked up by its name in index.js: build with --external plain\n');
    expect((await built(files, { external: ['plain'] })).warnings).toBe('');
    expect((await built({ ...files, 'index.js': useReader.replaceAll('reader', 'plain').replaceAll('data', 'plain') })).warnings).toBe('');
  });

  test('tells of a package that another one looks for by its name', async () => {
    const orm: FakePackage = { files: { 'index.js': "const name = ['dri', 'ver'].join(''); exports.driver = require(name).name;" } };
    const files = {
      'package.json': depends('orm', 'driver'),
      'index.js': "import { driver } from 'orm'; export default { methods: { [driver]() {} } };",
      ...installed({ orm, driver: { files: { 'index.js': "exports.name = 'driver';" } } }),
    };
    expect(await rejection<StartFailedError>(built(files))).toMatchObject({ hint: expect.stringContaining('--external driver') });
    expect(await built(files, { external: ['driver'] })).toMatchObject({ methods: ['driver'], dependencies: { driver: '1.0.0', orm: '1.0.0' } });
    const peers = { peerDependencies: { driver: '*' }, peerDependenciesMeta: { driver: { optional: true } } };
    const related = installed({ orm: { ...orm, json: peers }, driver: { files: { 'index.js': "exports.name = 'driver';" } } });
    expect(await built({ ...files, ...related })).toMatchObject({ dependencies: { driver: '1.0.0', orm: '1.0.0' } });
  });

  test('tells of a package that does not work inside a bundle', async () => {
    const { 'package-lock.json': _, ...packages } = installed({ reader: reader(DIRNAME) });
    const files = { 'package.json': depends('reader'), 'index.js': useReader, ...packages };
    const error = await rejection<StartFailedError>(built(files));
    expect(error.hint).toMatch(/^reader does not work inside a bundle: build with --external reader, or .*"external": \["reader"\]/);
  });

  test('refuses versions that are not those of the lockfile', async () => {
    const { 'package-lock.json': lockfile, ...files } = installed({ reader: reader(DIRNAME) });
    const other = { ...files, 'node_modules/reader/package.json': { name: 'reader', version: '1.0.1' } };
    const project = { 'package.json': depends('reader'), 'index.js': useReader, 'package-lock.json': lockfile!, ...other };
    expect((await rejection<BuildFailedError>(built(project))).issues).toEqual([
      { path: 'node_modules/reader', message: expect.stringMatching(/^1\.0\.1 is installed, package-lock\.json has 1\.0\.0; run npm ci in /) },
    ]);
  });
});

describe('a package that looks for files of its own', () => {
  test.each([
    ['__dirname', DIRNAME],
    ['__filename', "exports.data = require('fs').readFileSync(__filename.replace('index.js', 'data.txt'), 'utf8');"],
    ['module.filename', "exports.data = require('fs').readFileSync(module.filename.replace('index.js', 'data.txt'), 'utf8');"],
    ['require.resolve', "exports.data = require('fs').readFileSync(require.resolve('./data.txt'), 'utf8');"],
    ['a computed require', "exports.data = require(['.', 'package.json'].join('/')).name.replace('reader', 'data');"],
  ])('by %s is installed with the plugin, and named', async (sign, source) => {
    const result = await built({ 'package.json': depends('reader'), 'index.js': useReader, ...installed({ reader: reader(source) }) });
    expect(result).toMatchObject({ methods: ['data'], dependencies: { reader: '1.0.0' } });
    expect(result.warnings).toBe(`reader looks for files of its own (${sign}): it stays outside of the bundle, and is installed with it\n`);
  });

  test.each(["new URL('data.txt', import.meta.url)", "import.meta.dirname + '/data.txt'", "import.meta.filename.replace('index.js', 'data.txt')"])(
    'by %s is too, though another package brings it',
    async (place) => {
      const source = `import { readFileSync } from 'node:fs'; export const data = readFileSync(${place}, 'utf8');`;
      const wrapper: FakePackage = { json: { type: 'module', dependencies: { reader: '1' } }, files: { 'index.js': "export * from 'reader';" } };
      const files = installed({ reader: { ...reader(source), json: { type: 'module' } }, wrapper });
      const result = await built({ 'package.json': depends('wrapper'), 'index.js': useReader.replace("'reader'", "'wrapper'"), ...files });
      expect(result).toMatchObject({ methods: ['data'], dependencies: { reader: '1.0.0' } });
      expect(await readFile(join(await unpacked(result), 'index.js'), 'utf8')).toContain('from "reader"');
    },
  );

  test('stays in the bundle, with a warning, where it is no dependency that could be installed', async () => {
    const { 'package-lock.json': _, ...files } = installed({ lazy: { files: { 'index.js': 'exports.where = () => __dirname;' } } });
    const result = await built({
      'package.json': manifest,
      'index.js': "import { where } from 'lazy'; export default { methods: { where } };",
      ...files,
    });
    expect(result).toMatchObject({
      dependencies: {},
      warnings: expect.stringMatching(/^lazy looks for files of its own \(__dirname\).*--external lazy\n$/),
    });
  });
});

describe('a package outside of the bundle', () => {
  test('gives the names that it gives inside: all exports of a CommonJS module, and modules by their short paths', async () => {
    const mixed: FakePackage = {
      files: {
        'index.js': "module.exports = Object.assign(() => 'default', { ['na' + 'med']: 'named' });",
        'lib/deep.js': "exports['de' + 'ep'] = 'deep';",
        'lib/data.json': '{ "json": "json" }',
      },
    };
    const files = {
      'package.json': depends('mixed'),
      'index.js': `import mixed, { named } from 'mixed'; import { deep } from 'mixed/lib/deep'; import { json } from 'mixed/lib/data.json';
        const later = await import('mixed');
        export default { methods: { [[mixed(), named, deep, json, later.named].join()]() {} } };`,
      ...installed({ mixed }),
    };
    const inside = await built(files);
    const outside = await built(files, { external: ['mixed'] });
    expect(inside).toMatchObject({ methods: ['default,named,deep,json,named'], dependencies: {} });
    expect(outside).toMatchObject({ methods: inside.methods, dependencies: { mixed: '1.0.0' } });
  });

  test('is known by the name that imports it, as npm installs an alias', async () => {
    const files = installed({ real: { ...reader(DIRNAME), at: 'node_modules/reader' } });
    const lockfile = files['package-lock.json'] as { packages: Record<string, { name?: string }> };
    lockfile.packages['node_modules/reader']!.name = 'real';
    const result = await built({ 'package.json': depends('reader'), 'index.js': useReader, ...files });
    expect(result.dependencies).toEqual({ reader: 'npm:real@1.0.0' });
  });

  test('shares its packages with the bundle: each is there once', async () => {
    const registry: FakePackage = { files: { 'index.js': 'exports.known = new Set();' } };
    const user: FakePackage = {
      json: { peerDependencies: { registry: '*' } },
      files: { 'index.js': "require('registry').known.add('user'); exports.dir = __dirname;" },
    };
    const between: FakePackage = { json: { dependencies: { registry: '*' } }, files: { 'index.js': "exports.known = require('registry').known;" } };
    const files = {
      'package.json': depends('between', 'user'),
      'index.js': "import 'user'; import { known } from 'between'; export default { methods: { [[...known].join()]() {} } };",
      ...installed({ registry, user, between }),
    };
    const result = await built(files);
    expect(result).toMatchObject({ methods: ['user'], dependencies: { registry: '1.0.0', user: '1.0.0' } });
    expect(result.warnings).toMatch(/^user looks for files of its own .*\n$/);
  });

  test('that its install script compiled is told, since installing leaves the script out', async () => {
    const files = { 'index.js': "exports.data = 'data';", 'build/Release/reader.node': '' };
    const compiled: FakePackage = { json: { hasInstallScript: true, scripts: { install: 'node-gyp rebuild' } }, files };
    const result = await built({ 'package.json': depends('reader'), 'index.js': useReader, ...installed({ reader: compiled }) });
    expect(result.warnings).toMatch(/^reader was compiled by its install script, .* install with --allow-scripts reader\n$/);
  });

  test('of which two versions are needed takes with it the package that needs the other one', async () => {
    const fast = (version: string): FakePackage => ({
      version,
      files: { 'index.js': `exports.version = '${version}'; exports.dir = __dirname;` },
    });
    const user: FakePackage = { json: { dependencies: { fast: '1' } }, files: { 'index.js': "exports.old = require('fast').version;" } };
    const files = {
      'package.json': depends('fast', 'user'),
      'index.js': "import { version } from 'fast'; import { old } from 'user'; export default { methods: { [`${version} ${old}`]() {} } };",
      ...installed({ fast: [fast('2.0.0'), { ...fast('1.0.0'), at: 'node_modules/user/node_modules/fast' }], user }),
    };
    expect(await built(files)).toMatchObject({ methods: ['2.0.0 1.0.0'], dependencies: { fast: '2.0.0', user: '1.0.0' } });
  });
});

describe('--external', () => {
  const lazily = "export default { methods: { async a() { return import('gone'); } } };";

  test('leaves a package unresolved that is not installed', async () => {
    const result = await built({ 'package.json': manifest, 'index.js': lazily }, { external: ['gone'] });
    expect(result).toMatchObject({ methods: ['a'], dependencies: {}, warnings: '' });
    expect(await readFile(join(await unpacked(result), 'index.js'), 'utf8')).toContain('import("gone")');
  });

  test('installs a dependency that nothing imports, and names one that is neither', async () => {
    const files = { 'package.json': depends('plain'), 'index.js': 'export default { methods: { a() {} } };', ...installed({ plain }) };
    expect((await built(files)).warnings).toMatch(/^plain is a dependency that nothing imports: .* build with --external plain\n$/);
    const result = await built(files, { external: ['plain', 'plian'] });
    expect(result.dependencies).toEqual({ plain: '1.0.0' });
    expect(result.warnings).toBe('plian is to stay outside, and is neither imported nor a dependency of the plugin: is it misspelt?\n');
  });

  test('may stand in package.json as chameleon.external, which the built plugin has no need of', async () => {
    const files = {
      'package.json': { ...depends('plain'), chameleon: { external: ['plain'], methods: { a: {} } } },
      'index.js': "import { plain } from 'plain'; export default { methods: { a: () => plain } };",
      ...installed({ plain }),
    };
    const result = await built(files);
    expect(result.dependencies).toEqual({ plain: '1.0.0' });
    expect((await readJson(join(await unpacked(result), 'package.json')))['chameleon']).toEqual({ methods: { a: {} } });
    const wrong = { ...files, 'package.json': { ...manifest, chameleon: { external: 'plain' } } };
    expect(await rejection(built(wrong))).toMatchObject({ code: 'ERR_MANIFEST_INVALID', issues: [{ path: 'chameleon.external' }] });
  });

  test('is done by itself for a package that cannot be bundled, where it can be installed', async () => {
    const broken: FakePackage = {
      files: { 'index.js': "exports.load = (name) => (name === 'gone' ? require('gone') : 'other');" },
    };
    const files = {
      'package.json': depends('broken'),
      'index.js': "import { load } from 'broken'; export default { methods: { [load('x')]() {} } };",
      ...installed({ broken }),
    };
    expect(await built(files)).toMatchObject({
      methods: ['other'],
      dependencies: { broken: '1.0.0' },
      warnings: expect.stringContaining('broken cannot be bundled'),
    });
    const error = await rejection<BuildFailedError>(built({ ...files, 'package-lock.json': '' }));
    expect(error.message).toContain('gone is not installed: npm install gone');
    expect(error.message).toContain('to install broken with the plugin instead of bundling it: --external broken');
  });
});

describe('files beside the plugin', () => {
  test('in TypeScript that are packed as they are, such as workers, are told', async () => {
    const files = {
      'package.json': { ...manifest, files: ['*.ts'] },
      'index.js': 'export default { methods: { a() {} } };',
      'worker.ts': '',
      'x.d.ts': '',
    };
    expect((await built(files)).warnings).toMatch(/^worker\.ts is packed as it is, and Node does not run TypeScript .*\n$/);
  });

  test('that the plugin looks for and that are not packed are told', async () => {
    const result = await built({
      'package.json': { ...manifest, files: ['data', 'there.js'] },
      'index.js': `import './lib/deep.js';
        const places = () => ['./there.js', './data/', './data/a.txt'].map((path) => new URL(path, import.meta.url));
        const literal = () => [new URL('./there.js', import.meta.url), new URL('data/', import.meta.url), new URL('./worker.ts', import.meta.url)];
        export default { methods: { places, literal } };`,
      'lib/deep.js': "export const file = new URL('./gone.txt?x', import.meta.url); console.log(file.href.length);",
      'there.js': '',
      'data/a.txt': '',
    });
    expect(result.warnings).toBe(
      'gone.txt is looked for by lib/deep.js, and is not packed: name it in "files"\n' +
        'worker.ts is looked for by index.js, and is not packed: compile it, and name the JavaScript in "files"\n',
    );
  });
});
