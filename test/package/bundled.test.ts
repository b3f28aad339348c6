/** A host that was bundled by the bundlers that people use, with us inside or left outside. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { peer } from '../helpers/parts.ts';

const root = resolve(import.meta.dirname, '../..');
const require = createRequire(import.meta.url);
const HOST = `import { createSupervisor } from 'chameleon-supervisor';
(async () => {
  const supervisor = await createSupervisor({ pluginDir: process.argv[2], strict: true });
  console.log(await supervisor.call('shop', 'price', ['tea']));
  await supervisor.close();
})().catch((error) => { console.log(error.code, error.message); process.exitCode = 1; });`;

let home: string;

async function write(file: string, content: string | object): Promise<void> {
  await mkdir(dirname(join(home, file)), { recursive: true });
  await writeFile(join(home, file), typeof content === 'string' ? content : JSON.stringify(content));
}

async function run(file: string, cwd: string): Promise<{ code: number; stdout: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file, join(home, 'plugins')], { cwd });
    return { code: 0, stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout: stdout + stderr };
  }
}

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'chameleon-bundled-')));
  await write('app/package.json', { name: 'app', private: true });
  await write('app/host.mjs', HOST);
  await mkdir(join(home, 'app/node_modules'));
  await symlink(root, join(home, 'app/node_modules/chameleon-supervisor'));
  await write('plugins/shop/package.json', { name: 'shop', version: '1.0.0', main: 'index.cjs' });
  await write('plugins/shop/index.cjs', 'exports.default = { methods: { price(item) { return item.length * 10; } } };');
});
afterAll(() => rm(home, { recursive: true, force: true }));

const entry = (): string => join(home, 'app/host.mjs');
const out = (name: string): string => join(home, 'app', name);
const banner = { js: `import { createRequire as createHostRequire } from 'node:module'; const require = createHostRequire(import.meta.url);` };

/** Each makes one file of the host, and resolves with its path. */
const bundlers: Record<string, () => Promise<string>> = {
  async 'esbuild, ES module'() {
    await build({ entryPoints: [entry()], bundle: true, platform: 'node', format: 'esm', outfile: out('esbuild.mjs'), banner, logLevel: 'silent' });
    return out('esbuild.mjs');
  },
  async 'esbuild, CommonJS'() {
    await build({ entryPoints: [entry()], bundle: true, platform: 'node', format: 'cjs', outfile: out('esbuild.cjs'), logLevel: 'silent' });
    return out('esbuild.cjs');
  },
  async rollup() {
    const { rollup } = require(peer('rollup')) as { rollup(options: object): Promise<{ write(options: object): Promise<void> }> };
    const plugin = (name: string, options?: object): unknown => {
      const module = require(peer(`@rollup/plugin-${name}`)) as { default?: (options?: object) => unknown };
      return (module.default ?? (module as unknown as (options?: object) => unknown))(options);
    };
    const plugins = [plugin('node-resolve', { preferBuiltins: true, exportConditions: ['node'] }), plugin('commonjs'), plugin('json')];
    const bundle = await rollup({ input: entry(), plugins, external: ['esbuild'], onwarn() {} });
    await bundle.write({ file: out('rollup.mjs'), format: 'esm', inlineDynamicImports: true });
    return out('rollup.mjs');
  },
  async webpack() {
    const webpack = require(peer('webpack')) as (
      options: object,
      done: (error: Error | null, stats: { hasErrors(): boolean; toString(): string }) => void,
    ) => void;
    const options = {
      entry: entry(),
      target: 'node20',
      mode: 'production',
      output: { path: out('webpack'), filename: 'host.cjs' },
      externals: ['esbuild'],
      optimization: { minimize: false },
    };
    await new Promise<void>((done, failed) =>
      webpack(options, (error, stats) => (error === null && !stats.hasErrors() ? done() : failed(error ?? new Error(stats.toString())))),
    );
    return out('webpack/host.cjs');
  },
  async ncc() {
    await promisify(execFile)(process.execPath, [join(peer('@vercel/ncc'), 'dist/ncc/cli.js'), 'build', entry(), '-o', out('ncc'), '-e', 'esbuild'], {
      cwd: join(home, 'app'),
    });
    return out('ncc/index.mjs');
  },
};

test.each(Object.entries(bundlers))(
  'a host bundled by %s runs where the package is installed',
  async (_, bundle) => {
    const file = await bundle();
    expect(await run(file, dirname(file))).toEqual({ code: 0, stdout: '30\n' });
  },
  120_000,
);

test.each(['esbuild, ES module', 'esbuild, CommonJS'])('a host bundled by %s says what is missing where the package is not', async (bundler) => {
  const file = await bundlers[bundler]!();
  const moved = join(home, basename(file));
  await cp(file, moved);
  const { code, stdout } = await run(moved, home);
  expect(code).toBe(1);
  expect(stdout).toContain('ERR_CONFIG_INVALID');
  expect(stdout).toContain('Leave it external');
});

test.each([
  ['Electron', "Object.defineProperty(process.versions, 'electron', { value: '40.0.0' });"],
  ['an executable made by pkg', 'process.pkg = {};'],
])('a host that is %s is told to set nodePath, and runs once it has', async (kind, pretend) => {
  const host = (options: string): string => `${pretend}
    import('chameleon-supervisor').then(async ({ createSupervisor }) => {
      const supervisor = await createSupervisor({ pluginDir: process.argv[2], strict: true${options} });
      console.log(await supervisor.call('shop', 'price', ['tea']));
      await supervisor.close();
    }).catch((error) => console.log(error.code, error.message));`;
  await write('app/packed.cjs', host(''));
  const { stdout } = await run(out('packed.cjs'), join(home, 'app'));
  expect(stdout).toContain('ERR_CONFIG_INVALID');
  expect(stdout).toContain(`nodePath: ${process.execPath} is ${kind}`);
  // Any other way to Node.js will do.
  await symlink(process.execPath, join(home, `node-${kind.length}`));
  await write('app/packed.cjs', host(`, nodePath: ${JSON.stringify(join(home, `node-${kind.length}`))}`));
  expect(await run(out('packed.cjs'), join(home, 'app'))).toEqual({ code: 0, stdout: '30\n' });
});
