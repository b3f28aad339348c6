/** Which file of a package is the plugin: side by side with `import` of the same package by the Node that runs. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { isChameleonError } from '../../src/errors.ts';
import { readRelease } from '../../src/catalog/release.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

const FILES = ['index.js', 'a.js', 'a.cjs', 'a.mjs', 'b.cjs', 'b.mjs', 'lib/index.js', 'lib/c.js', 'with space.js', 'x.js.js', 'node_modules/d.js'];
const SHAPES: Record<string, object> = {
  nothing: {},
  main: { main: 'a.js' },
  'main with a dot': { main: './a.cjs' },
  'main without its ending': { main: './a' },
  'main that is a folder': { main: './lib' },
  'main that is a folder with a slash': { main: 'lib/' },
  'main that is not there': { main: './gone.js' },
  'main whose name has an ending twice': { main: 'x.js' },
  'main that is the folder itself': { main: '.' },
  'exports before main': { main: './b.cjs', exports: './a.mjs' },
  'exports that are null': { main: './b.cjs', exports: null },
  'exports without main': { exports: './a.js' },
  'exports for the root': { exports: { '.': './a.js', './other': './lib/c.js' } },
  'conditions, import first': { exports: { import: './a.mjs', require: './a.cjs' } },
  'conditions, require first': { exports: { require: './a.cjs', import: './a.mjs' } },
  'only require': { main: './a.cjs', exports: { require: './a.cjs' } },
  'a dual package': {
    main: './b.cjs',
    module: './b.mjs',
    exports: { '.': { import: { types: './a.d.ts', default: './a.mjs' }, require: './b.cjs' } },
  },
  'module-sync first': { exports: { 'module-sync': './a.mjs', import: './b.mjs', default: './b.cjs' } },
  'module-sync last': { exports: { import: './b.mjs', 'module-sync': './a.mjs' } },
  'node-addons': { exports: { 'node-addons': './a.cjs', default: './a.mjs' } },
  node: { exports: { browser: './b.mjs', node: './a.cjs', default: './a.mjs' } },
  'conditions that never hold': { exports: { browser: './a.js', deno: './b.mjs' } },
  'nested, and on to the next': { exports: { node: { browser: './b.mjs' }, default: './a.js' } },
  'nested, and null': { exports: { node: { import: null }, default: './a.js' } },
  'several targets': { exports: ['a.js', { browser: './b.mjs' }, './a.mjs'] },
  'several targets, the first of which is not there': { exports: ['./gone.js', './a.mjs'] },
  'several targets, none good': { exports: ['a.js', '../x.js'] },
  'no targets': { main: './a.js', exports: [] },
  'only another path': { main: './a.js', exports: { './only': './a.js' } },
  'paths and conditions': { exports: { '.': './a.js', import: './a.mjs' } },
  'a target without a dot': { exports: 'a.js' },
  'a target without its ending': { exports: './a' },
  'a target that is a folder': { exports: './lib' },
  'a target in node_modules': { exports: './node_modules/d.js' },
  'a target that leads out': { exports: './lib/../a.js' },
  'an encoded target': { exports: './with%20space.js' },
  'an encoded slash': { exports: './lib%2fc.js' },
  'exports that are empty': { main: './a.js', exports: {} },
};

test('the entry of a plugin is the file that Node imports, whatever package.json says', async () => {
  const home = await supervise.tempDir();
  const names = Object.keys(SHAPES).map((_, i) => `shape-${i}`);
  for (const [i, fields] of Object.values(SHAPES).entries()) {
    const code = (file: string): string =>
      file.endsWith('.mjs') ? `export default ${JSON.stringify(file)};` : `module.exports = ${JSON.stringify(file)};`;
    const dir = join(home, 'node_modules', names[i]!);
    for (const folder of ['lib', 'node_modules']) await mkdir(join(dir, folder), { recursive: true });
    await putFiles(dir, {
      'package.json': JSON.stringify({ name: names[i], version: '1.0.0', ...fields }),
      ...Object.fromEntries(FILES.map((file) => [file, code(file)])),
    });
  }
  const script = `
    const found = [];
    for (const name of ${JSON.stringify(names)}) found.push(await import(name).then((module) => module.default, () => null));
    console.log(JSON.stringify(found));`;
  const node = await promisify(execFile)(process.execPath, ['--no-deprecation', '--input-type=module', '-e', script], { cwd: home });
  const imported = JSON.parse(node.stdout) as (string | null)[];

  const ours: (string | null)[] = [];
  for (const name of names) {
    const dir = join(home, 'node_modules', name);
    try {
      const { entry, dir: real } = await readRelease(dir);
      ours.push(relative(real, entry!));
    } catch (error) {
      if (!isChameleonError(error)) throw error;
      expect(error.code, basename(dir)).toBe('ERR_MANIFEST_INVALID');
      ours.push(null);
    }
  }
  const titles = Object.keys(SHAPES);
  expect(Object.fromEntries(titles.map((title, i) => [title, ours[i]]))).toEqual(Object.fromEntries(titles.map((title, i) => [title, imported[i]])));
  expect(imported.filter((each) => each !== null).length).toBeGreaterThan(20);
});
