/** A host under Yarn's Plug'n'Play, where packages are files in an archive unless they ask for a folder. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { peer } from '../helpers/parts.ts';
import { pack, userEnv } from '../helpers/tarball.ts';

const { NODE_EXTRA_CA_CERTS } = process.env;
const yarn = join(peer('@yarnpkg/cli-dist'), 'bin/yarn.js');
let home: string;
let env: Record<string, string | undefined>;

async function run(command: string, args: string[], cwd = home): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd, env, maxBuffer: 2 ** 24 });
  return stdout;
}

async function write(file: string, content: string | object): Promise<void> {
  await mkdir(dirname(join(home, file)), { recursive: true });
  await writeFile(join(home, file), typeof content === 'string' ? content : JSON.stringify(content));
}

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'chameleon-yarn-')));
  env = { ...userEnv, NODE_EXTRA_CA_CERTS };
  const registry = (await run('npm', ['config', 'get', 'registry'])).trim();
  env = {
    ...env,
    YARN_NPM_REGISTRY_SERVER: registry,
    YARN_UNSAFE_HTTP_WHITELIST: new URL(registry).hostname,
    YARN_GLOBAL_FOLDER: join(home, '.yarn-global'),
    YARN_NODE_LINKER: 'pnp',
    YARN_ENABLE_TELEMETRY: '0',
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
  };
  const { filename } = await pack(home);
  await write('package.json', { name: 'user', private: true, type: 'module', dependencies: { 'chameleon-supervisor': `file:./${filename}` } });
  await write('yarn.lock', '');
  await run(process.execPath, [yarn, 'install', '--mode=skip-build']);
  await write('plugins/shop/package.json', { name: 'shop', version: '1.0.0', main: 'index.cjs' });
  await write('plugins/shop/index.cjs', 'exports.default = { methods: { price(item) { return item.length * 10; } } };');
}, 180_000);
afterAll(() => rm(home, { recursive: true, force: true }));

test('runs its plugins, and the command does', async () => {
  await write(
    'host.mjs',
    `import { createSupervisor } from 'chameleon-supervisor';
     const supervisor = await createSupervisor({ pluginDir: 'plugins', strict: true });
     console.log(await supervisor.call('shop', 'price', ['tea']), 'pnp' in process.versions);
     await supervisor.close();`,
  );
  expect(await run(process.execPath, [yarn, 'node', 'host.mjs'])).toBe('30 true\n');
  expect(await run(process.execPath, [yarn, 'chameleon-supervisor', 'validate'])).toContain('shop');
}, 180_000);
