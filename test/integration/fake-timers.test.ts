/** Hosts and plugins whose timers stand still, as those of their tests do. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterEach, expect, test, vi } from 'vitest';
import { createSupervisor } from '../../src/index.ts';
import { EXPECTED_STEPS, liveThrough, type Belongings } from '../helpers/live-through.ts';
import { peer } from '../helpers/parts.ts';
import { putFiles, putFixture } from '../helpers/put-plugin.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();
const library = pathToFileURL(resolve(import.meta.dirname, '../../dist/src/index.js')).href;
const sinon = join(peer('@sinonjs/fake-timers'), 'src/fake-timers-src.js');
const PATIENCE = { timeout: 120_000 };

afterEach(() => void vi.useRealTimers());

async function belongings(): Promise<Belongings & { folder: string }> {
  const folder = await supervise.tempDir();
  const [polite, next, flaky] = await Promise.all([
    putFixture(folder, 'polite'),
    putFixture(folder, 'polite', { version: '2.0.0' }),
    putFixture(folder, 'flaky'),
  ]);
  return { folder, polite, next, flaky, ledger: join(folder, 'ledger') };
}

/** The file of `liveThrough` as a module that Node runs. */
async function compiled(): Promise<string> {
  const source = await readFile(resolve(import.meta.dirname, '../helpers/live-through.ts'), 'utf8');
  return (await transform(source, { loader: 'ts', format: 'esm' })).code;
}

async function run(args: string[], cwd: string, env: Record<string, string> = {}): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, args, { cwd, timeout: 100_000, env: { PATH: process.env['PATH'], ...env } });
}

test('a supervisor lives and ends under the fake timers of Vitest', PATIENCE, async () => {
  const own = await belongings();
  // All that Vitest can fake in a process of its own.
  const toFake = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'] as const;
  vi.useFakeTimers({ toFake: [...toFake, 'Date', 'performance', 'hrtime', 'queueMicrotask'] });
  const before = performance.now();
  expect(await liveThrough(createSupervisor, own)).toEqual(EXPECTED_STEPS);
  expect(performance.now()).toBe(before);
  expect(vi.getTimerCount()).toBe(0);
});

test('a folder is watched under fake timers', PATIENCE, async () => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate', 'Date', 'performance'],
  });
  const pluginDir = await supervise.tempDir();
  const supervisor = supervise.own(await createSupervisor({ pluginDir, watch: true, defaults: { rollout: { holdMs: 200 } } }));
  const rolledOut = new Promise<string>((done) => {
    supervisor.on('rollout-phase', ({ phase, version }) => phase === 'retired' && done(version));
  });
  const started = new Promise((done) => supervisor.on('instance-ready', done));
  await putFixture(pluginDir, 'polite');
  await started;
  await putFixture(pluginDir, 'polite', { version: '2.0.0' });
  expect(await rolledOut).toBe('2.0.0');
  expect(await supervisor.call('polite', 'echo', ['still here'])).toBe('still here');
  await supervisor.close();
});

test.each(['before', 'after'])('a supervisor lives and ends under the fake timers of sinon, installed %s it was loaded', PATIENCE, async (when) => {
  const { folder, ...own } = await belongings();
  const install = 'const clock = createRequire(import.meta.url)(process.argv[2]).install();';
  const load = `const { createSupervisor } = await import(${JSON.stringify(library)});`;
  await putFiles(folder, {
    'live-through.mjs': await compiled(),
    'host.mjs': [
      `import { createRequire } from 'node:module';`,
      `import { writeSync } from 'node:fs';`,
      ...(when === 'before' ? [install, load] : [load, install]),
      `const { liveThrough } = await import('./live-through.mjs');`,
      `const steps = await liveThrough(createSupervisor, ${JSON.stringify(own)});`,
      `writeSync(1, JSON.stringify(steps));`,
      `clock.uninstall();`,
    ].join('\n'),
  });
  const { stdout } = await run([join(folder, 'host.mjs'), sinon], folder);
  expect(JSON.parse(stdout)).toEqual(EXPECTED_STEPS);
});

test('a supervisor lives and ends under the fake timers of node:test', PATIENCE, async () => {
  const { folder, ...own } = await belongings();
  await putFiles(folder, {
    'live-through.mjs': await compiled(),
    'host.mjs': [
      `import { writeSync } from 'node:fs';`,
      `import { mock } from 'node:test';`,
      `import { createSupervisor } from ${JSON.stringify(library)};`,
      `import { liveThrough } from './live-through.mjs';`,
      `mock.timers.enable();`,
      `writeSync(1, JSON.stringify(await liveThrough(createSupervisor, ${JSON.stringify(own)})));`,
    ].join('\n'),
  });
  const { stdout } = await run([join(folder, 'host.mjs')], folder);
  expect(JSON.parse(stdout)).toEqual(EXPECTED_STEPS);
});

test.each([
  ['of a test', {}, 'jest.useFakeTimers();'],
  ['of its configuration, which are there first', { fakeTimers: { enableGlobally: true } }, ''],
])('a supervisor lives and ends under the fake timers of Jest: %s', PATIENCE, async (_title, config, first) => {
  const { folder, ...own } = await belongings();
  await putFiles(folder, {
    'package.json': JSON.stringify({ name: 'host', jest: { ...config, testTimeout: 90_000, watchman: false, testMatch: ['<rootDir>/*.test.js'] } }),
    'live-through.mjs': await compiled(),
    'host.test.js': [
      first,
      `test('lives and ends', async () => {`,
      `  const { createSupervisor } = await import(${JSON.stringify(library)});`,
      `  const { liveThrough } = await import('./live-through.mjs');`,
      `  expect(typeof setTimeout.clock).toBe('object');`,
      `  expect(await liveThrough(createSupervisor, ${JSON.stringify(own)})).toEqual(${JSON.stringify(EXPECTED_STEPS)});`,
      `  expect(jest.getTimerCount()).toBe(0);`,
      `});`,
    ].join('\n'),
  });
  const env = { NODE_OPTIONS: '--experimental-vm-modules', TMPDIR: folder };
  const { stderr } = await run([join(peer('jest'), 'bin/jest.js'), '--ci'], folder, env);
  expect(stderr).toContain('1 passed');
});

test('a plugin that fakes timers and clocks in its child is called, pinged and stopped as before', PATIENCE, async () => {
  const dir = await putFiles(await supervise.tempDir(), {
    'package.json': JSON.stringify({ name: 'frozen', version: '1.0.0', main: 'index.cjs' }),
    'index.cjs': [
      // Without process.nextTick, by which the streams of Node themselves go on.
      `const toFake = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Date', 'performance', 'hrtime'];`,
      `require(${JSON.stringify(sinon)}).install({ toFake });`,
      `exports.methods = {`,
      `  large: () => 'x'.repeat(8_000_000),`,
      `  untilAborted() { return new Promise((_, reject) => this.signal.addEventListener('abort', () => reject(this.signal.reason))); },`,
      `};`,
    ].join('\n'),
  });
  const { supervisor, events } = await supervise({ defaults: { liveness: { intervalMs: 50, timeoutMs: 2_000 } } });
  await supervisor.load(dir);
  expect(await supervisor.call('frozen', 'large')).toHaveLength(8_000_000);
  await expect(supervisor.call('frozen', 'untilAborted', [], { timeoutMs: 300 })).rejects.toMatchObject({ code: 'ERR_CALL_TIMEOUT' });
  expect(await supervisor.close()).toMatchObject({ stopped: 1, killed: 0 });
  expect(events.filter(({ kind }) => kind === 'instance-crashed' || kind === 'instance-replacing')).toEqual([]);
});
