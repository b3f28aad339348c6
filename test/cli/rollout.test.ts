/** load, reload, rollback and unload, as an operator uses them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EARLY_MS } from '../helpers/timers.ts';
import { DEMO, release, Workplace } from './run.ts';

let work: Workplace;
const versioned = (version: string): string => DEMO.replace('this.version', `'${version}'`);
const whoami = async (): Promise<{ pid: number; version: string }> =>
  (await work.json(['call', 'demo', 'whoami'])) as { pid: number; version: string };

beforeEach(async () => {
  work = new Workplace();
  work.plugin('demo', '1.0.0', versioned('1.0.0'));
  await work.start();
});
afterEach(release);

test('load switches to a newer version, rollback back, reload to a fresh process', async () => {
  const first = await whoami();
  const folder = work.plugin('demo', '2.0.0', versioned('2.0.0'), 'elsewhere');
  const loaded = await work.run(['load', 'elsewhere/demo/2.0.0']);
  expect(loaded).toMatchObject({ code: 0, stdout: expect.stringMatching(/^demo 1\.0\.0 → 2\.0\.0 is active/) });
  expect(await whoami()).toMatchObject({ version: '2.0.0' });
  expect(await work.json(['status', 'demo'])).toMatchObject({ version: '2.0.0', dir: folder });

  expect(await work.json(['rollback', 'demo'])).toMatchObject({ outcome: 'promoted', plugin: 'demo', from: '2.0.0', to: '1.0.0' });
  expect(await whoami()).toMatchObject({ version: '1.0.0' });

  const before = await whoami();
  expect(await work.run(['reload', 'demo'])).toMatchObject({ code: 0, stdout: expect.stringContaining('fresh process') });
  const after = await whoami();
  expect(after.version).toBe('1.0.0');
  expect(after.pid).not.toBe(before.pid);
  expect(after.pid).not.toBe(first.pid);
});

test('unload stops a plugin; calls to it are then refused', async () => {
  expect(await work.run(['unload', 'demo'])).toMatchObject({ code: 0, stdout: 'demo unloaded\n' });
  expect((await work.run(['call', 'demo', 'greet', '"x"'])).code).toBe(4);
  expect((await work.run(['load', 'plugins/demo/1.0.0'])).code).toBe(0);
  expect((await work.run(['call', 'demo', 'greet', '"x"'])).code).toBe(0);
});

test('a folder that is no plugin, and a version that cannot start, change nothing: exit 1', async () => {
  const { pid } = await whoami();
  work.plugin('demo', '3.0.0', "throw new Error('no such luck');", 'elsewhere');
  const failed = await work.run(['load', 'elsewhere/demo/3.0.0']);
  expect(failed.stderr).toMatch(/ERR_RELOAD_FAILED/);
  expect(failed.stderr).toContain('no such luck');
  expect(failed.code).toBe(1);
  expect(await work.run(['load', 'elsewhere'])).toMatchObject({ code: 1, stderr: expect.stringContaining('ERR_MANIFEST_INVALID') });
  expect(await work.run(['load', 'plugins/demo/1.0.0'])).toMatchObject({ code: 1, stderr: expect.stringContaining('ERR_PLUGIN_EXISTS') });
  expect((await whoami()).pid).toBe(pid);
});

test('load tries a version as its flags say, and holds the one before: status shows both', async () => {
  work.plugin('demo', '2.0.0', versioned('2.0.0'), 'elsewhere');
  const loaded = (await work.json(['load', 'elsewhere/demo/2.0.0', '--canary', '10:200,50:200', '--shadow', '5', '--hold', '60000'])) as {
    phases: { name: string; ms: number }[];
  };
  expect(loaded).toMatchObject({ outcome: 'promoted', shadow: { calls: 0 } });
  expect(loaded.phases.find(({ name }) => name === 'canary')!.ms).toBeGreaterThan(400 - EARLY_MS);
  expect((await work.run(['status', 'demo'])).stdout).toMatch(/2\.0\.0 \*[^]*1\.0\.0 held/);
  expect(await work.json(['status', 'demo'])).toMatchObject({ rollout: { phase: 'holding', from: '1.0.0', to: '2.0.0' } });
  expect(await work.run(['load', 'plugins/demo/1.0.0', '--exclusive', '--hold', '0'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/calls waited for/),
  });
  expect((await work.run(['status', 'demo'])).stdout).not.toMatch(/held/);
});

test('a version that takes methods away is refused with a list: exit 1; with --force it is taken', async () => {
  work.plugin('demo', '2.0.0', 'export default { methods: { whoami: () => ({ pid: process.pid, version: "2.0.0" }) } };', 'elsewhere');
  const refused = await work.run(['load', 'elsewhere/demo/2.0.0']);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/greet is gone[^]*ERR_RELOAD_FAILED/) });
  expect((await whoami()).version).toBe('1.0.0');
  expect((await work.run(['load', 'elsewhere/demo/2.0.0', '--force'])).code).toBe(0);
});

test.each([
  [['--canary', '101'], /share from 0 to 100/],
  [['--canary', '5:soon'], /whole number of milliseconds/],
  [['--shadow', 'all'], /share from 0 to 100/],
])('flags that mean nothing, as %j, are refused: exit 2', async (flags, complaint) => {
  expect(await work.run(['load', 'plugins/demo/1.0.0', ...flags])).toMatchObject({ code: 2, stderr: expect.stringMatching(complaint) });
});
