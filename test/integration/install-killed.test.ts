/** An installation whose process is killed at any moment leaves the version absent or whole, and the next one succeeds. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { installPlugin, scanPlugins, verifyPlugins } from '../../src/index.ts';
import { processesMarked } from '../../src/process/marker.ts';
import { clock, MANIFEST, type Member, putArchive, sound } from '../helpers/archives.ts';
import { Random } from '../helpers/random.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const SCRIPT = `import { installPlugin } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../dist/src/index.js')).href)};
  await installPlugin(process.argv[1], { pluginDir: process.argv[3] }); // Once, so that what is loaded late is loaded.
  console.log('ready');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  await installPlugin(process.argv[2], { pluginDir: process.argv[3] });
  process.exit(); // Its stdin is still open.`;

/** Its own dependencies in the archive: unpacking, hashing and placing take all of the time. */
const bundled: Member[] = [
  ...sound({ ...MANIFEST, name: 'bundled', dependencies: { one: '1' } }),
  { path: 'package/node_modules/one/package.json', body: '{"name":"one","version":"1.0.0"}' },
  ...Array.from({ length: 100 }, (_, at) => ({ path: `package/node_modules/one/${at}.js`, body: `export default ${at};\n`.repeat(at) })),
];

interface Outcome {
  /** Whether the version was there when its process was killed. */
  isThere: boolean;
  /** How long it took; null for one that was killed before its end. */
  ms: number | null;
}

/** Kills an installation `ms` after it began, or lets it end; looks at what is there; installs once more. */
async function attempt(archive: string, name: string, ms: number): Promise<Outcome> {
  const home = await supervise.tempDir();
  const pluginDir = join(home, 'plugins');
  await mkdir(pluginDir);
  const first = await putArchive(join(home, 'first.tgz'), sound());
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, first, archive, pluginDir], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  child.stdin.write('go\n');
  const began = performance.now();
  const killing = setTimeout(() => child.kill('SIGKILL'), ms);
  const [code] = (await ended) as [number | null];
  clearTimeout(killing);
  const took = code === null ? null : performance.now() - began;

  const versions = await verifyPlugins({ pluginDir });
  for (const version of versions) expect(version).toMatchObject({ outcome: 'whole', error: null });
  const { plugins, refused } = await scanPlugins(pluginDir);
  expect(refused).toEqual([]);
  expect(plugins.map((plugin) => plugin.name)).toEqual(versions.map(({ plugin }) => plugin));
  const isThere = versions.some(({ plugin }) => plugin === name);

  expect((await installPlugin(archive, { pluginDir })).outcome).toBe(isThere ? 'already-there' : 'installed');
  expect(await verifyPlugins({ pluginDir, name })).toMatchObject([{ outcome: 'whole' }]);
  expect((await readdir(pluginDir)).sort()).toEqual([name, 'packed'].sort());
  await until('no npm is left', async () => (await processesMarked((marker) => marker.startsWith(`${child.pid}-`))).length === 0);
  return { isThere, ms: took };
}

test.each([
  ['with its dependencies in the archive', 'bundled', bundled, 36, 1],
  ['whose dependencies npm installs', 'clock', clock(), 14, 2],
])('a plugin %s: killed, spread over all that it does', { timeout: 300_000 }, async (_, name, members, points, seed) => {
  const home = await supervise.tempDir();
  const archive = await putArchive(join(home, 'a.tgz'), members);
  const whole = await attempt(archive, name, 120_000);
  expect(whole.isThere).toBe(true);
  const random = new Random(seed);
  const outcomes: Outcome[] = [];
  // One in each of as many slices of the time that it takes, and a little after. How long that is changes with what else the machine does.
  let ms = whole.ms!;
  for (const at of random.shuffled([...Array.from({ length: points }).keys()])) {
    const outcome = await attempt(archive, name, ((at + random.below(1_000) / 1_000) * ms * 1.1) / points);
    outcomes.push(outcome);
    ms = outcome.ms ?? ms;
  }
  expect(outcomes.filter(({ isThere }) => !isThere).length, 'killed before it was there').toBeGreaterThan(points / 6);
});
