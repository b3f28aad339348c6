/**
 * The package as a user gets it: packed, installed into an empty folder without anything that only this repository has, and used as a
 * library, as a command, and by the author of a plugin. Expects a built `dist/`, as all tests of the command do.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installTarball, pack, root, runAsUser, type Tarball, userEnv as env } from '../helpers/tarball.ts';

let home: string;
let packed: Tarball;

const run = (command: string, args: string[]): Promise<string> => runAsUser(command, args, home);

async function write(file: string, content: string | object): Promise<void> {
  await mkdir(dirname(join(home, file)), { recursive: true });
  await writeFile(join(home, file), typeof content === 'string' ? content : JSON.stringify(content));
}

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'chameleon-pack-')));
  packed = await pack(home);
  await write('package.json', { name: 'user', private: true, type: 'module' });
  await installTarball(home, packed);
  await write('plugins/shop/1.0.0/package.json', { name: 'shop', version: '1.0.0', type: 'module', main: 'index.js' });
  await write(
    'plugins/shop/1.0.0/index.js',
    `import { definePlugin, method } from 'chameleon-supervisor/plugin';
     export default definePlugin({
       methods: {
         price: method({ idempotent: true, timeoutMs: 5_000 }, function (item) { this.log.info('asked for ' + item); return item.length * 10; }),
       },
     });`,
  );
}, 120_000);
afterAll(() => rm(home, { recursive: true, force: true }));

describe('the tarball', () => {
  test('holds what is needed at run time', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'package.json',
        'README.md',
        'LICENSE',
        'CHANGELOG.md',
        'dist/src/index.js',
        'dist/src/index.d.ts',
        'bin/chameleon-supervisor.js',
        'dist/src/cli/main.js',
        'dist/src/config.d.ts',
        'dist/runner/main.cjs',
        'dist/runner/api.js',
        'dist/runner/api.d.ts',
        'dist/config.schema.json',
      ]),
    );
  });

  test('holds no tests, no sources, no plugins, nothing hidden', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => /^(src|runner|test|scripts|plugins|node_modules)\//.test(path))).toEqual([]);
    expect(paths.filter((path) => /(?<!\.d)\.[cm]?ts$/.test(path))).toEqual([]);
    expect(paths.filter((path) => /(^|\/)\.|\.test\.|\.map$/.test(path))).toEqual([]);
  });

  test('needs no package that is only a development dependency', async () => {
    const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> };
    for (const name of Object.keys(devDependencies)) expect(existsSync(join(home, 'node_modules', name)), name).toBe(false);
  });
});

test('as a library: a script of a few lines calls a plugin of its own', { timeout: 30_000 }, async () => {
  await write(
    'main.js',
    `import { createSupervisor, isChameleonError } from 'chameleon-supervisor';
     const supervisor = await createSupervisor({ pluginDir: './plugins' });
     try {
       console.log(await supervisor.call('shop', 'price', ['apple']));
       console.log(await supervisor.plugin('shop@^1').price('fig'));
       await supervisor.reload('shop');
       await supervisor.call('shop', 'steal').catch((error) => console.log(isChameleonError(error), error.code));
     } finally {
       await supervisor.close();
     }`,
  );
  expect(await run(process.execPath, ['main.js'])).toBe('50\n30\ntrue ERR_METHOD_NOT_FOUND\n');
});

test('the main entry loads where the default logger is not there', async () => {
  await write('no-winston.js', `import 'chameleon-supervisor'; console.log('loaded');`);
  const winston = join(home, 'node_modules/winston');
  const hidden = join(home, 'node_modules/.winston');
  await rename(winston, hidden);
  try {
    expect(await run(process.execPath, ['no-winston.js'])).toBe('loaded\n');
  } finally {
    await rename(hidden, winston);
  }
});

test('the schema is there for editors, by its exported name', async () => {
  await write(
    'schema.js',
    `import { createRequire } from 'node:module'; console.log(createRequire(import.meta.url).resolve('chameleon-supervisor/config.schema.json'));`,
  );
  const schema = JSON.parse(await readFile((await run(process.execPath, ['schema.js'])).trim(), 'utf8')) as { properties: Record<string, unknown> };
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['pluginDir', 'defaults', 'plugins']));
});

describe('as a command', () => {
  const npx = (...args: string[]): Promise<string> => run('npx', ['--no-install', 'chameleon-supervisor', ...args]);

  test('says its version', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    expect((await npx('--version')).trim()).toBe(version);
  });

  test('starts by a configuration file, answers from a second terminal, and stops', { timeout: 60_000 }, async () => {
    await write(
      'chameleon.config.mjs',
      `import { defineConfig } from 'chameleon-supervisor/config';
       export default defineConfig({ pluginDir: './plugins', defaults: { concurrency: 5 } });`,
    );
    expect(await npx('validate')).toContain('shop');
    const child = spawn(join(home, 'node_modules/.bin/chameleon-supervisor'), ['start'], { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(child, 'exit');
    let narration = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (narration += text));
    try {
      const ready = once(child.stdout.setEncoding('utf8'), 'data').then(([line]) => String(line));
      expect(await Promise.race([ready, ended.then(() => narration)])).toMatch(/^ready: 1 plugin/);
      expect(JSON.parse(await npx('status', '--json'))).toMatchObject({ pid: child.pid, plugins: [{ name: 'shop', version: '1.0.0' }] });
      expect(await npx('call', 'shop', 'price', '["apple"]')).toBe('50\n');
      child.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
