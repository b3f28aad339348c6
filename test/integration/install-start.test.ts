/** No child is started from a version that is not what was installed: not at first, not after a crash, not to replace another. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { installPlugin } from '../../src/index.ts';
import { MANIFEST, putArchive } from '../helpers/archives.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
let home: string;
let pluginDir: string;
let ran: string;

/** Says by a file that what was not installed has run. */
const evil = (): string =>
  `import { writeFileSync } from 'node:fs';\nwriteFileSync(${JSON.stringify(ran)}, '');\nexport const greet = () => 'evil';\n`;

async function install(version: string): Promise<string> {
  const index = "import { greet } from './greet.js';\nexport default { methods: { greet, die() { process.exit(3); } } };\n";
  const archive = await putArchive(join(home, `${version}.tgz`), [
    { path: 'package/package.json', body: JSON.stringify({ ...MANIFEST, version }) },
    { path: 'package/index.js', body: index },
    { path: 'package/greet.js', body: `export const greet = () => '${version}';\n` },
    { path: 'package/unused.js', body: "export const greet = () => 'unused';\n" },
  ]);
  return (await installPlugin(archive, { pluginDir })).dir;
}

beforeEach(async () => {
  home = await supervise.tempDir();
  pluginDir = join(home, 'plugins');
  ran = join(home, 'ran');
  await mkdir(pluginDir);
});

const TAMPERED: [string, (dir: string) => Promise<void>, string][] = [
  ['changed', (dir) => writeFile(join(dir, 'greet.js'), evil()), 'greet.js'],
  ['added, which Node would prefer', (dir) => writeFile(join(dir, 'package.json.js'), evil()), 'package.json.js'],
  [
    'swapped',
    async (dir) => {
      await rename(join(dir, 'greet.js'), join(dir, 'old.js'));
      await rename(join(dir, 'unused.js'), join(dir, 'greet.js'));
      await rename(join(dir, 'old.js'), join(dir, 'unused.js'));
    },
    'greet.js',
  ],
];

describe('a file was', () => {
  test.each(TAMPERED)('%s: the plugin is refused, and nothing of it runs', async (_, tamper, path) => {
    const dir = await install('1.0.0');
    await tamper(dir);
    const { supervisor, events } = await supervise({ pluginDir });
    expect(supervisor.status()).toMatchObject({
      plugins: [],
      refused: [{ path: dir, code: 'ERR_INTEGRITY', message: expect.stringContaining(path) }],
    });
    expect(events.filter(({ kind }) => kind === 'instance-ready')).toEqual([]);
    expect(existsSync(ran)).toBe(false);
  });
});

test('a version that was changed does not replace another, which serves on', async () => {
  await install('1.0.0');
  const { supervisor } = await supervise({ pluginDir });
  const dir = await install('2.0.0');
  await writeFile(join(dir, 'greet.js'), evil());
  const error = await rejection(supervisor.load(dir));
  expect([error, error.cause]).toContainEqual(expect.objectContaining({ code: 'ERR_INTEGRITY', dir }));
  expect(await supervisor.call('packed', 'greet')).toBe('1.0.0');
  expect(existsSync(ran)).toBe(false);
});

test('a version that was changed while it ran is not started again after a crash; installed anew, a reload starts it', async () => {
  const dir = await install('1.0.0');
  const { supervisor } = await supervise({ pluginDir });
  expect(await supervisor.call('packed', 'greet')).toBe('1.0.0');
  await writeFile(join(dir, 'greet.js'), evil());
  expect(await rejection(supervisor.call('packed', 'die'))).toMatchObject({ code: 'ERR_PLUGIN_CRASHED' });
  await until('it is given up', () => supervisor.status('packed').versions.some(({ state }) => state === 'failed'));
  expect(existsSync(ran)).toBe(false);

  await supervisor.install(join(home, '1.0.0.tgz'));
  await supervisor.reload('packed');
  expect(await supervisor.call('packed', 'greet')).toBe('1.0.0');
  expect(existsSync(ran)).toBe(false);
});

test('a supervisor without a plugin folder installs nothing', async () => {
  const { supervisor } = await supervise();
  expect(await rejection(supervisor.install('./a.tgz'))).toMatchObject({ code: 'ERR_CONFIG_INVALID', issues: [{ path: 'pluginDir' }] });
});
