/** `validate`: everything that is wrong, at once, and nothing started. */
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEMO, release, Workplace } from './run.ts';

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
  work.plugin('demo', '1.0.0', `import { writeFileSync } from 'node:fs'; writeFileSync(new URL('./ran', import.meta.url), ''); ${DEMO}`);
});
afterEach(release);

test('what is right is listed: exit 0, and no code of a plugin runs', async () => {
  work.write('chameleon.config.json', { plugins: { demo: { concurrency: 3 } } });
  const { code, stdout } = await work.run(['validate']);
  expect(stdout).toContain(work.path('chameleon.config.json'));
  expect(stdout).toMatch(/^demo +1\.0\.0 /m);
  expect(code).toBe(0);
  expect(existsSync(work.path('plugins/demo/1.0.0/ran'))).toBe(false);
  expect(existsSync(work.socket)).toBe(false);
});

test('five mistakes in a configuration are five lines with their paths: exit 2', async () => {
  work.write('chameleon.config.json', {
    plugindir: 'plugins',
    logLevel: 'loud',
    defaults: { concurrency: 0 },
    plugins: { demo: { callTimeoutMs: 'soon', breaker: { maxFailure: 3 } } },
  });
  const paths = ['plugindir', 'logLevel', 'defaults.concurrency', 'plugins.demo.callTimeoutMs', 'plugins.demo.breaker.maxFailure'];
  const text = await work.run(['validate']);
  for (const path of paths) expect(text.stderr).toContain(path);
  expect(text).toMatchObject({ code: 2, stdout: '' });
  const json = await work.run(['validate', '--json']);
  const { error } = JSON.parse(json.stderr) as { error: { code: string; issues: { path: string }[] } };
  expect(error.code).toBe('ERR_CONFIG_INVALID');
  expect(error.issues.map(({ path }) => path)).toEqual(expect.arrayContaining(paths));
  const started = await work.run(['start']);
  for (const path of paths) expect(started.stderr).toContain(path);
  expect(started.code).toBe(2);
});

test('a plugin that is refused is named with its reason, the good ones too: exit 1', async () => {
  work.write('plugins/bad/1.0.0/package.json', '{');
  const { code, stdout } = await work.run(['validate']);
  expect(stdout).toMatch(/^demo +1\.0\.0 /m);
  expect(stdout).toMatch(/^refused .*plugins\/bad/m);
  expect(code).toBe(1);
  const json = await work.run(['validate', '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    plugins: [{ name: 'demo' }],
    refused: [{ path: expect.stringContaining('bad'), error: { code: 'ERR_MANIFEST_INVALID' } }],
  });
  expect(json.code).toBe(1);
});

test('a plugin that other users could change is refused under strictModes, and else started with a warning', async () => {
  chmodSync(work.path('plugins/demo/1.0.0'), 0o777);
  work.write('chameleon.config.json', { strictModes: true });
  const strict = await work.run(['validate', '--json']);
  expect(JSON.parse(strict.stdout)).toMatchObject({ plugins: [], refused: [{ error: { code: 'ERR_UNSAFE_FOLDER' } }], warnings: [] });
  expect(strict.code).toBe(1);
  work.write('chameleon.config.json', { strictModes: false });
  const { code, stdout } = await work.run(['validate', '--start']);
  expect(stdout).toMatch(/^warning other users could change .*mode 777/m);
  expect(code).toBe(0);
});

test.each([
  ['empty', ''],
  ['no JSON', '{ "plugins": '],
  ['an array', '[]'],
  ['null', 'null'],
])('a configuration file that is %s: exit 2, with its name', async (_, content) => {
  work.write('chameleon.config.json', content);
  expect(await work.run(['validate'])).toMatchObject({ code: 2, stderr: expect.stringContaining('chameleon.config.json') });
});

test('no plugin folder: exit 2', async () => {
  expect(await work.run(['validate', '--plugin-dir', 'missing'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no plugin folder'),
  });
});

// A newer Node runs TypeScript itself, and refuses nothing.
test.skipIf(Boolean((process.features as { typescript?: unknown }).typescript))(
  'a plugin in TypeScript is refused by a Node that does not run it, with what to do',
  async () => {
    work.plugin('typed', '1.0.0', 'export default { methods: {} };');
    work.write('plugins/typed/1.0.0/package.json', { name: 'typed', version: '1.0.0', main: 'index.ts' });
    work.write('plugins/typed/1.0.0/index.ts', 'export default { methods: {} };');
    expect(await work.run(['validate'])).toMatchObject({ code: 1, stdout: expect.stringMatching(/build it first/) });
  },
);

interface Listing {
  plugins: { name: string; version: string; start: string | null }[];
  refused: { path: string; error: { code: string; message: string } }[];
}

async function refusals(...flags: string[]): Promise<{ code: number | null; codes: string[]; listing: Listing }> {
  const { code, stdout } = await work.run(['validate', ...flags, '--json']);
  const listing = JSON.parse(stdout) as Listing;
  return { code, codes: listing.refused.map(({ error }) => error.code), listing };
}

test.each<[string, object, string[]]>([
  ['a range that fits no installed version', { demo: { version: '^2' } }, ['ERR_VERSION_NOT_FOUND']],
  ['a pin that fits no installed version', { demo: { pin: ['^1', '^3'] } }, ['ERR_VERSION_NOT_FOUND']],
  ['a name that no plugin has', { demoo: { concurrency: 1 } }, ['ERR_PLUGIN_NOT_FOUND']],
  ['a name that no plugin has and that is disabled', { demoo: { enabled: false } }, []],
  ['a range that fits nothing of a plugin that is disabled', { demo: { enabled: false, version: '^2' } }, []],
])('%s is what start would find', async (_, plugins, codes) => {
  work.write('chameleon.config.json', { plugins });
  expect(await refusals()).toMatchObject({ code: codes.length === 0 ? 0 : 1, codes });
});

test('a file of an installed version that was changed: exit 1', async () => {
  work.plugin('solid', '1.0.0', DEMO, 'source');
  expect((await work.run(['install', 'source/solid/1.0.0'])).code).toBe(0);
  expect(await refusals()).toMatchObject({ code: 0 });
  appendFileSync(work.path('plugins/solid/1.0.0/index.js'), '// changed');
  expect(await refusals()).toMatchObject({ code: 1, codes: ['ERR_INTEGRITY'] });
});

test('each version says as what it would be started, as it is remembered, and nothing is changed', async () => {
  for (const version of ['2.0.0', '3.0.0']) work.plugin('demo', version, DEMO);
  work.write('chameleon.config.json', { plugins: { demo: { pin: ['^2'] } } });
  const starts = async (): Promise<unknown> => (await refusals()).listing.plugins.map(({ version, start }) => [version, start]);
  expect(await starts()).toEqual([
    ['3.0.0', 'active'],
    ['2.0.0', 'pinned'],
    ['1.0.0', null],
  ]);
  const remembered = { range: '*', active: '1.0.0', previous: null, held: null, pinned: [], failed: [], known: ['1.0.0', '2.0.0', '3.0.0'] };
  work.write('plugins/.chameleon/state.json', { format: 1, plugins: { demo: remembered } });
  expect(await starts()).toEqual([
    ['3.0.0', null],
    ['2.0.0', 'pinned'],
    ['1.0.0', 'active'],
  ]);
  work.write('plugins/.chameleon/state.json', 'damaged');
  expect(await starts()).toContainEqual(['3.0.0', 'active']);
  expect(readdirSync(work.path('plugins/.chameleon'))).toEqual(['state.json']);
});

test('--start starts each version once, alone, and tells which cannot', async () => {
  const code = `import { readdirSync, writeFileSync, rmSync } from 'node:fs';
    const here = ${JSON.stringify(work.path('started'))};
    export default {
      methods: { a() {} },
      init({ name, version, options }) {
        if (options.fail) throw new Error('not with these options');
        if (readdirSync(here).some((file) => file.endsWith('.runs'))) throw new Error('not alone');
        writeFileSync(here + '/' + name + '-' + version + '.runs', '');
        writeFileSync(here + '/' + name + '-' + version, '');
      },
      free() { for (const file of readdirSync(here)) if (file.endsWith('.runs')) rmSync(here + '/' + file); },
    };`;
  mkdirSync(work.path('started'));
  for (const [name, version] of [['one', '1.0.0'], ['one', '2.0.0'], ['two', '1.0.0'], ['bad', '1.0.0']] as const) work.plugin(name, version, code); // prettier-ignore
  work.write('chameleon.config.json', { defaults: { instances: 2 }, plugins: { one: { pin: ['^1'] }, bad: { options: { fail: true } } } });
  expect(await refusals()).toMatchObject({ code: 0 });
  expect(readdirSync(work.path('started'))).toEqual([]);
  const { code: exit, listing } = await refusals('--start');
  expect(listing.refused).toMatchObject([
    { path: work.path('plugins/bad/1.0.0'), error: { message: expect.stringContaining('not with these options') } },
  ]);
  expect(exit).toBe(1);
  expect(readdirSync(work.path('started')).sort()).toEqual(['one-1.0.0', 'one-2.0.0', 'two-1.0.0']);
});
