/** The published declarations, checked by the compilers that users have, in projects that check the declarations of their packages too. */
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { peer } from '../helpers/parts.ts';
import { installTarball, pack, root, runAsUser } from '../helpers/tarball.ts';

const COMPILERS = {
  'TypeScript 5.9': peer('typescript-5'),
  'TypeScript 6': peer('typescript-6'),
  'TypeScript 7': join(root, 'node_modules/typescript'),
};
const STRICT = { strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true };
const PLUGIN = `
  import { definePlugin, method } from 'chameleon-supervisor/plugin';
  import { defineConfig } from 'chameleon-supervisor/config';
  export * as everythingForPlugins from 'chameleon-supervisor/plugin';
  export * as everythingForConfigs from 'chameleon-supervisor/config';
  export const config = defineConfig({ pluginDir: './plugins', defaults: { concurrency: 5 } });
  // @ts-expect-error no such option
  export const wrong = defineConfig({ pluginDir: './plugins', defaults: { concurency: 5 } });
  export const plugin = definePlugin({
    methods: { price: method({ idempotent: true }, function (item: string) { this.log.info(item); return item.length; }) },
  });`;
const HOST = `
  import { createSupervisor, isChameleonError, type CallOptions } from 'chameleon-supervisor';
  import { startPlugin } from 'chameleon-supervisor/testing';
  import type { plugin } from '../plugin/plugin.js';
  export * as everything from 'chameleon-supervisor';
  export * as everythingForTests from 'chameleon-supervisor/testing';
  export * from '../plugin/plugin.js';
  await using supervisor = await createSupervisor({ pluginDir: './plugins' });
  await using started = await startPlugin(new URL('.', import.meta.url));
  const options: CallOptions = { timeoutMs: 100, signal: AbortSignal.timeout(50) };
  supervisor.on('call-poisoned', ({ method, deaths }) => console.log(method.length + deaths));
  await supervisor.call('shop', 'price', ['tea'], options).catch((error: unknown) => isChameleonError(error) && error.toJSON());
  const price: number = await supervisor.plugin<typeof plugin.methods>('shop', options).price('tea');
  // @ts-expect-error the method takes text
  await started.plugin<typeof plugin.methods>().price(price);`;

let home: string;

async function write(file: string, content: string | object): Promise<void> {
  await writeFile(join(home, file), typeof content === 'string' ? content : JSON.stringify(content));
}

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'chameleon-types-')));
  await write('package.json', { name: 'user', private: true, type: 'module' });
  await installTarball(home, await pack(home));
  await mkdir(join(home, 'host/node_modules/@types'), { recursive: true });
  await symlink(join(root, 'node_modules/@types/node'), join(home, 'host/node_modules/@types/node'), 'junction');
  await mkdir(join(home, 'plugin'));
  await write('host/host.ts', HOST);
  await write('plugin/plugin.ts', PLUGIN);
}, 180_000);
afterAll(() => rm(home, { recursive: true, force: true }));

describe.each(Object.entries(COMPILERS))('under %s', (_, compiler) => {
  /** What the compiler has to say of a project. */
  async function check(project: 'host' | 'plugin', settings: object): Promise<string> {
    const config = `${project}/tsconfig.json`;
    await write(config, { compilerOptions: { ...STRICT, target: 'es2022', ...settings } });
    return runAsUser(process.execPath, [join(compiler, 'bin/tsc'), '-p', config], home).catch((error: { stdout: string }) => error.stdout);
  }

  test.each([
    { module: 'nodenext', moduleResolution: 'nodenext' },
    { module: 'esnext', moduleResolution: 'bundler' },
  ])('all entries pass the strictest checks of a host, resolved as $moduleResolution', { timeout: 300_000 }, async (resolution) => {
    expect(await check('host', { ...resolution, types: ['node'] })).toBe('');
  });

  test('a plugin and a configuration file need no types of Node', { timeout: 300_000 }, async () => {
    expect(await check('plugin', { module: 'nodenext', types: [] })).toBe('');
  });
});
