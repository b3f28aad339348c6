/** A plugin that lacks a package and finds the host's, in a folder above its own, runs and is warned of. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

async function put(folder: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

const ESM = "import a from 'a';\nimport own from 'own';\nexport default { methods: { ask: () => [a, own] } };\n";
const CJS = "const a = require('a');\nconst own = require('own');\nmodule.exports = { methods: { ask: () => [a, own] } };\n";

test.each([
  ['an ES module that imports it', { type: 'module' }, ESM, ['a']],
  ['a CommonJS module that requires it', { type: 'commonjs' }, CJS, ['a']],
  ['package.json that declares it', { type: 'module', dependencies: { a: '1', own: '1', 'pure-esm': '1' } }, ESM, ['a', 'pure-esm']],
])('by %s', async (_, manifest, index, names) => {
  const home = await supervise.tempDir();
  await put(join(home, 'node_modules'), {
    'a/index.js': "module.exports = 'of the host ' + require('b');",
    'a/package.json': '{"name":"a","version":"1.0.0"}',
    'b/index.js': "module.exports = 'b';",
    'own/index.js': "module.exports = 'of the host';",
    'pure-esm/package.json': '{"name":"pure-esm","type":"module"}',
  });
  await put(join(home, 'plugins/borrower/1.0.0'), {
    'package.json': JSON.stringify({ name: 'borrower', version: '1.0.0', main: 'index.js', ...manifest }),
    'index.js': index,
    'node_modules/own/index.js': "module.exports = 'own';",
  });
  const { supervisor, logs } = await supervise({ pluginDir: join(home, 'plugins') });
  expect(await supervisor.call('borrower', 'ask', [])).toEqual(['of the host b', 'own']);
  const warnings = (): string[] => logs.filter(({ level }) => level === 'warn').map(({ message }) => message);
  await until('all are warned of', () => warnings().length >= names.length);
  expect(warnings()).toHaveLength(names.length);
  for (const name of names) expect(warnings().join('\n')).toContain(`${name} is taken from ${join(home, 'node_modules', name)}`);
});

test('no plugin is warned of that has all that it takes', async () => {
  const home = await supervise.tempDir();
  await put(join(home, 'plugins/whole/1.0.0'), {
    'package.json': JSON.stringify({ name: 'whole', version: '1.0.0', type: 'module', main: 'index.js', dependencies: { own: '1' } }),
    'index.js':
      "import own from 'own';\nexport default { methods: { own: () => own, later: () => new Promise((done) => setTimeout(done, 300)) } };\n",
    'node_modules/own/index.js': "module.exports = require('inner');",
    'node_modules/own/node_modules/inner/index.js': "module.exports = 'inner';",
  });
  const { supervisor, logs } = await supervise({ pluginDir: join(home, 'plugins') });
  expect(await supervisor.call('whole', 'own', [])).toBe('inner');
  await supervisor.call('whole', 'later', []);
  expect(logs.filter(({ level }) => level === 'warn')).toEqual([]);
});
