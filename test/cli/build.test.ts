/** `build` as its author runs it, and all the way: a scaffold is built, installed where a supervisor looks, and called. */
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BuildResult } from '../../src/build/build.ts';
import { installPlugin } from '../../src/install/api.ts';
import { installOurs, putProject, runTsc } from '../helpers/author.ts';
import { release, Workplace } from './run.ts';

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
});
afterEach(release);

test.each(['--ts', '--js'])(
  'a scaffold %s is built, installed, started, and called by a host that is typed by it',
  { timeout: 90_000 },
  async (flag) => {
    await work.run(['init', 'hello', flag]);
    await installOurs(work.path('hello'));
    const told = await work.run(['build', 'hello']);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout).toMatch(
      /^hello@0\.1\.0 is packed: .*hello-0\.1\.0\.tgz \(\d+ bytes\)\n {2}digest {3}sha512-\S+\n {2}methods {2}greet\n {2}types {4}by TypeScript/,
    );
    const archive = work.path('hello-0.1.0.tgz');
    const again = (await work.json(['build', 'hello', '-o', 'again/same.tgz'])) as BuildResult;
    expect(again).toMatchObject({ file: work.path('again/same.tgz'), files: ['README.md', 'client.d.ts', 'index.js', 'package.json'] });
    expect(told.stdout).toContain(again.integrity);

    await installPlugin(archive, { pluginDir: work.path('plugins') });
    expect(readdirSync(work.path('plugins/hello'))).toEqual(['0.1.0']);
    await work.start();
    expect(await work.json(['call', 'hello', 'greet', '"world"'])).toBe('Hello, world!');

    const host = await putProject(work.path('host'), {
      'package.json': { type: 'module' },
      'tsconfig.json': { compilerOptions: { target: 'es2023', module: 'nodenext', strict: true, types: ['node'], noEmit: true }, files: ['host.ts'] },
      'host.ts': `
      import { createSupervisor } from 'chameleon-supervisor';
      import type { Methods } from '../plugins/hello/0.1.0/client.d.ts';
      const hello = (await createSupervisor()).plugin<Methods>('hello');
      const text: string = await hello.greet('world');
      // @ts-expect-error a number is no name
      await hello.greet(1);
      // @ts-expect-error there is no such method
      void [text, hello.shout];`,
    });
    await installOurs(host, ['@types']);
    expect(await runTsc([], host)).toEqual({ code: 0, stdout: '', stderr: '' });
  },
);

test('a scoped plugin is packed as npm would name it, in the folder of the user', async () => {
  work.write('shop/package.json', { name: '@acme/shop', version: '1.2.3', type: 'module' });
  work.write('shop/index.js', 'export const methods = { a() {} };');
  expect(await work.json(['build', 'shop'])).toMatchObject({ file: work.path('acme-shop-1.2.3.tgz') });
  expect(existsSync(work.path('acme-shop-1.2.3.tgz'))).toBe(true);
});

test('--no-run packs the methods that package.json declares, without running the plugin', async () => {
  work.write('shop/package.json', { name: 'shop', version: '1.0.0', type: 'module', chameleon: { methods: { a: {} } } });
  work.write('shop/index.js', "throw new Error('ran'); export const methods = {};");
  expect(await work.run(['build', 'shop'])).toMatchObject({ code: 1, stderr: expect.stringContaining('ran') });
  expect(await work.json(['build', 'shop', '--no-run'])).toMatchObject({ methods: ['a'] });
});

describe('what is wrong', () => {
  const manifest = { name: 'shop', version: '1.0.0', type: 'module' };
  test('a mistake of syntax is shown as the compiler shows it, or as JSON: exit 1', async () => {
    work.write('shop/package.json', manifest);
    work.write('shop/index.js', 'export default {\n  methods: { a( }\n};');
    const { code, stdout, stderr } = await work.run(['build', 'shop']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^error: shop does not build: 1 mistake to correct\n[^]*index\.js:2:16:\n +2 │ {3}methods: \{ a\( \}\n[^]*code ERR_BUILD_FAILED\n$/,
    );
    const json = await work.run(['build', 'shop', '--json']);
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'ERR_BUILD_FAILED', issues: [{ path: 'index.js:2:17' }] } });
    expect(readdirSync(work.dir)).not.toContain('shop-1.0.0.tgz');
  });

  test('warnings are shown, and do not keep it from being packed', async () => {
    work.write('shop/package.json', manifest);
    work.write('shop/index.js', 'export const methods = { a(x) { return x === NaN; } };');
    expect(await work.run(['build', 'shop'])).toMatchObject({ code: 0, stderr: expect.stringContaining('[WARNING]') });
  });
});

test('an error of the trial names no temporary folder, which is gone then', async () => {
  work.write('broken/package.json', { name: 'broken', version: '1.0.0', type: 'module', main: 'index.js' });
  work.write(
    'broken/index.js',
    "throw new Error('cannot go on in ' + import.meta.dirname + ' of ' + import.meta.url);\nexport default { methods: { a() {} } };\n",
  );
  for (const json of [[], ['--json']]) {
    const { code, stderr } = await work.run(['build', 'broken', ...json]);
    expect(code).toBe(1);
    expect(stderr).toContain('cannot go on in');
    expect(stderr).not.toContain('chameleon-build-');
  }
});
