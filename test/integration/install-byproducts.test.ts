/** An installed plugin whose run leaves files in its own folder crashes and comes back: caches, dumps, reports, profiles. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { installPlugin, type PluginOptions, type Supervisor, verifyPlugins } from '../../src/index.ts';
import { MANIFEST, putArchive } from '../helpers/archives.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const TIMEOUT = { timeout: 60_000 };

let home: string;
let dir: string;
beforeEach(async () => {
  home = await supervise.tempDir();
  const pluginDir = join(home, 'plugins');
  await mkdir(pluginDir);
  const index = `
    import { mkdirSync, writeFileSync } from 'node:fs';
    import { dirname } from 'node:path';
    import { writeHeapSnapshot } from 'node:v8';
    export default { methods: {
      pid: () => process.pid,
      write(path, body) { mkdirSync(dirname(path), { recursive: true }); writeFileSync(path, Buffer.from(body, 'latin1')); },
      die() { process.exit(3); },
      snapshot: () => writeHeapSnapshot(),
      report: () => process.report.writeReport(),
      exhaust() { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)); },
    } };\n`;
  const archive = await putArchive(join(home, 'a.tgz'), [
    { path: 'package/package.json', body: JSON.stringify(MANIFEST) },
    { path: 'package/index.js', body: index },
    { path: 'package/__pycache__/main.cpython-313.pyc', body: 'compiled elsewhere' },
  ]);
  dir = (await installPlugin(archive, { pluginDir })).dir;
});

const started = async (plugin: PluginOptions = {}): Promise<Supervisor> => {
  const defaults = { restart: { backoffMs: 10 }, ...plugin };
  return (await supervise({ pluginDir: join(home, 'plugins'), defaults })).supervisor;
};

async function comesBack(supervisor: Supervisor, before: unknown): Promise<void> {
  await until('another child answers', async () => {
    const pid = await supervisor.call('packed', 'pid', []).catch(() => before);
    return pid !== before;
  });
}

const FATAL = ['--report-on-fatalerror', '--max-old-space-size=64'];
const ELF = '\x7fELF\x02\x01\x01' + '\0'.repeat(9);

test.each([
  ['a cache in node_modules', 'node_modules/.cache/jiti/a.js', 'x'],
  ["a cache in a package's node_modules", 'node_modules/a/node_modules/.cache/babel-loader/a.json', 'x'],
  ['a cache of Vite', 'node_modules/.vite/deps/a.js', 'x'],
  ['a module that Python compiled', 'lib/__pycache__/a.cpython-313.pyc', 'x'],
  ['a module that Python compiled anew', '__pycache__/main.cpython-313.pyc', 'compiled here'],
  ['an empty core dump', 'core', ''],
  ['a core dump with a pid', 'core.4711', `${ELF}\x04\0`],
  ['a core dump by any name', 'node.core-4711@host', `${ELF}\x04\0`],
  ['a report of Node', 'report.20261126.013000.4711.0.001.json', '{}'],
  ['a heap snapshot', 'Heap.20261126.013000.4711.0.001.heapsnapshot', '{}'],
  ['a heap profile', 'Heap.20261126.013000.4711.0.001.heapprofile', '{}'],
  ['a profile of the processor', 'CPU.20261126.013000.4711.0.001.cpuprofile', '{}'],
  ['a log of V8', 'isolate0x5581e0a000-4711-v8.log', ''],
])('after a crash, %s in its folder keeps no plugin from coming back', TIMEOUT, async (_, path, body) => {
  const supervisor = await started();
  const before = await supervisor.call('packed', 'pid', []);
  await supervisor.call('packed', 'write', [path, body]);
  await rejection(supervisor.call('packed', 'die', []));
  await comesBack(supervisor, before);
  expect(await verifyPlugins({ pluginDir: join(home, 'plugins') })).toMatchObject([{ outcome: 'whole' }]);
});

test.each([
  ['a program', 'lib/tool', `${ELF}\x02\0`],
  ['a file that only has the name of a dump', 'core', 'x'],
  ['a module', 'core.js', ''],
  ['a package', 'node_modules/core/index.js', ''],
  ['a module beside caches', '__pycache__/a.js', ''],
])('%s that was added still keeps it from running', TIMEOUT, async (_, path, body) => {
  const supervisor = await started();
  await supervisor.call('packed', 'write', [path, body || ' ']);
  expect(await verifyPlugins({ pluginDir: join(home, 'plugins') })).toMatchObject([
    { outcome: 'damaged', error: { changes: [{ path, problem: 'added' }] } },
  ]);
});

test.each<[string, PluginOptions, string, RegExp]>([
  ['a report by a name of its own', { execArgv: [...FATAL, '--report-filename=why.json'] }, 'exhaust', /^why\.json$/],
  ['a report on a fatal error', { execArgv: FATAL }, 'exhaust', /^report\..*\.json$/],
  ['a snapshot near the heap limit', { execArgv: ['--heapsnapshot-near-heap-limit=1', '--max-old-space-size=64'] }, 'exhaust', /\.heapsnapshot$/],
  ['a profile of the processor', { execArgv: ['--cpu-prof', '--cpu-prof-name=mine'] }, 'die', /^mine$/],
  ['a report that NODE_OPTIONS ask for', { env: { NODE_OPTIONS: FATAL.join(' ') } }, 'exhaust', /^report\..*\.json$/],
])('%s is written beside the record of the version, and the plugin comes back', TIMEOUT, async (_, plugin, method, name) => {
  const supervisor = await started({ ...plugin, liveness: { timeoutMs: 30_000 }, callTimeoutMs: 30_000 });
  const before = await supervisor.call('packed', 'pid', []);
  await rejection(supervisor.call('packed', method, []));
  await comesBack(supervisor, before);
  expect(await readdir(join(dir, '.chameleon/diagnostics'))).toContainEqual(expect.stringMatching(name));
  expect((await readdir(dir)).sort()).toEqual(['.chameleon', '__pycache__', 'index.js', 'package.json']);
});

test('snapshots and reports that a plugin writes by itself keep it from nothing', TIMEOUT, async () => {
  const supervisor = await started();
  const before = await supervisor.call('packed', 'pid', []);
  expect(await supervisor.call('packed', 'snapshot', [])).toMatch(/\.heapsnapshot$/);
  expect(await supervisor.call('packed', 'report', [])).toMatch(/^report\./);
  await rejection(supervisor.call('packed', 'die', []));
  await comesBack(supervisor, before);
});

test('folders that execArgv or NODE_OPTIONS name for diagnostics stay theirs', TIMEOUT, async () => {
  const own = join(home, 'own');
  await mkdir(own);
  const options: [PluginOptions, string][] = [
    [{ execArgv: ['--cpu-prof', `--diagnostic-dir=${own}`] }, 'die'],
    [{ env: { NODE_OPTIONS: [...FATAL, `--report-directory=${own}`].join(' ') } }, 'exhaust'],
  ];
  for (const [plugin, method] of options) {
    const supervisor = await started({ ...plugin, liveness: { timeoutMs: 30_000 }, callTimeoutMs: 30_000 });
    await rejection(supervisor.call('packed', method, []));
    await supervisor.close();
  }
  const found = await readdir(own);
  expect(found).toContainEqual(expect.stringMatching(/\.cpuprofile$/));
  expect(found).toContainEqual(expect.stringMatching(/^report\..*\.json$/));
  expect(await readdir(join(dir, '.chameleon/diagnostics'))).toEqual([]);
});

test('a cache in an archive is left out, so that no code of a version is in no record', TIMEOUT, async () => {
  const pluginDir = join(home, 'plugins');
  const put = (main: string): Promise<string> =>
    putArchive(join(home, 'b.tgz'), [
      { path: 'package/package.json', body: JSON.stringify({ ...MANIFEST, version: '2.0.0', main }) },
      { path: 'package/main.js', body: 'export default { methods: {} };' },
      { path: 'package/.cache/main.js', body: 'export default { methods: {} };' },
    ]);
  expect(await rejection(installPlugin(await put('.cache/main.js'), { pluginDir }))).toMatchObject({ code: 'ERR_MANIFEST_INVALID' });
  const installed = await installPlugin(await put('main.js'), { pluginDir });
  expect(await readdir(join(installed.dir, '.cache'))).toEqual([]);
});
