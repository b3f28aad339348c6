/** Starting: the ready line, the socket, and what keeps a supervisor from starting. */
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../helpers/until.ts';
import { DEMO, eventually, isAlive, release, Workplace } from './run.ts';

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
  work.plugin('demo', '1.0.0', DEMO);
});
afterEach(release);

test('one line says that it is ready, and where', async () => {
  const { pid, stdout } = await work.start();
  expect(stdout()).toBe(`ready: 1 plugin; pid ${pid}, socket ${work.socket}\n`);
  const json = new Workplace();
  json.plugin('demo', '1.0.0', DEMO);
  const other = await json.start(['--json']);
  expect(JSON.parse(other.stdout())).toEqual({ ready: true, pid: other.pid, socket: json.socket, plugins: 1, active: 1, refused: 0 });
  for (const line of other.stderr().trim().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), message: expect.any(String) });
});

test('the socket is 0600 in a folder 0700, and gone after the end', async () => {
  const { child, ended } = await work.start();
  expect(lstatSync(work.socket).mode & 0o777).toBe(0o600);
  expect(lstatSync(work.path('.chameleon')).mode & 0o777).toBe(0o700);
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 0 });
  expect(existsSync(work.socket)).toBe(false);
});

test('under XDG_RUNTIME_DIR each configuration folder has its socket', async () => {
  mkdirSync(work.path('run'));
  const env = { XDG_RUNTIME_DIR: work.path('run') };
  const { stdout } = await work.start([], { env });
  expect(stdout()).toMatch(/run\/chameleon\/chameleon-cli-\w+-[0-9a-f]{8}\.sock\n$/);
  expect(lstatSync(work.path('run', 'chameleon')).mode & 0o777).toBe(0o700);
  expect((await work.run(['status'], { env })).code).toBe(0);
  expect((await work.run(['status'])).code).toBe(3);
});

test('a second supervisor on a live socket is refused, and the first one goes on', async () => {
  const { pid } = await work.start();
  const second = await work.run(['start', '--json']);
  expect(JSON.parse(second.stderr)).toMatchObject({ error: { code: 'ERR_SUPERVISOR_RUNNING', socket: work.socket } });
  expect(second.code).toBe(2);
  expect(await work.json(['status'])).toMatchObject({ pid });
  const third = new Workplace();
  third.plugin('demo', '1.0.0', DEMO);
  await third.start(['--socket', third.path('own.sock')]);
  expect(lstatSync(third.path('own.sock')).mode & 0o777).toBe(0o600);
});

test('the socket that a killed supervisor left is replaced', async () => {
  const { child, ended } = await work.start();
  child.kill('SIGKILL');
  await ended;
  expect(existsSync(work.socket)).toBe(true);
  expect((await work.run(['status'])).code).toBe(3);
  const { pid } = await work.start();
  expect(await work.json(['status'])).toMatchObject({ pid });
});

test('a plugin that is refused does not keep the others from starting', async () => {
  work.write('plugins/bad/1.0.0/package.json', '{');
  const { stdout } = await work.start();
  expect(stdout()).toContain('ready: 1 plugin, 1 refused');
});

test.each<[string, string[], (work: Workplace) => void, RegExp]>([
  ['no plugin folder', ['--plugin-dir', 'missing'], () => {}, /there is no plugin folder .*missing/],
  ['a configuration that is not there', ['--config', 'missing.json'], () => {}, /missing\.json/],
  ['a file in the place of the socket', ['--socket', 'file'], (place) => void place.write('file', 'x'), /exists and is no socket/],
  ['a path that is too long', ['--socket', `/tmp/${'x'.repeat(120)}`], () => {}, /the system allows/],
])('%s: exit 2, and nothing is started', async (_, args, prepare, text) => {
  prepare(work);
  const { code, stdout, stderr } = await work.run(['start', ...args]);
  expect(stderr).toMatch(text);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test('flag over environment over file over default', async () => {
  work.plugin('other', '1.0.0', DEMO, 'from-file');
  work.plugin('third', '1.0.0', DEMO, 'from-env');
  work.write('chameleon.config.json', { pluginDir: 'from-file' });
  const named = async (): Promise<string[]> => ((await work.json(['status'])) as { plugins: { name: string }[] }).plugins.map(({ name }) => name);
  for (const [args, env, expected] of [
    [[], {}, 'other'],
    [[], { CHAMELEON_PLUGIN_DIR: 'from-env' }, 'third'],
    [['--plugin-dir', 'plugins'], { CHAMELEON_PLUGIN_DIR: 'from-env' }, 'demo'],
  ] as const) {
    const { child, ended } = await work.start(args, { env });
    expect(await named()).toEqual([expected]);
    child.kill('SIGTERM');
    await ended;
  }
});

test('the log level of the flag decides what is logged', async () => {
  const { stderr } = await work.start(['--log-level', 'error']);
  await work.run(['call', 'demo', 'say', '"quiet"']);
  await work.run(['call', 'demo', 'crash']);
  expect(stderr()).not.toContain('quiet');
  expect((await work.run(['logs'])).stdout).not.toContain('quiet');
});

test('it goes on when nobody reads its output any more', async () => {
  const { child, pid } = await work.start();
  child.stdout!.destroy();
  child.stderr!.destroy();
  for (let count = 0; count < 3; count++) expect((await work.run(['call', 'demo', 'say', '"to nobody"'])).code).toBe(0);
  expect(isAlive(pid)).toBe(true);
});

test.each([
  ['stdout', '>/dev/full'],
  ['stderr', '2>/dev/full'],
])('it serves although a disk is full that %s goes to', async (_, redirection) => {
  const shell = work.shell(`exec "$@" ${redirection}`, ['start']);
  await eventually(async () => expect(await work.json(['status', 'demo'])).toMatchObject({ state: 'active' }));
  shell.child.kill('SIGTERM');
  expect(await shell.ended).toMatchObject({ code: 0 });
  expect(existsSync(work.socket)).toBe(false);
});

test('a command whose output cannot be written says so: exit 1', async () => {
  const { code, stderr } = await work.shell('exec "$@" >/dev/full', ['validate']).ended;
  expect(stderr).toMatch(/^error: the output cannot be written: .*ENOSPC.*\n$/);
  expect(code).toBe(1);
});

test('garbage on the socket costs its sender the connection, and no call', async () => {
  await work.start();
  const calls = Array.from({ length: 5 }, () => work.run(['call', 'demo', 'sleep', '300']));
  const garbage = connect(work.socket);
  await once(garbage, 'connect');
  garbage.write('\u0000\u0001 garbage\n');
  await once(garbage.resume(), 'close');
  expect((await Promise.all(calls)).map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
  await eventually(async () => expect((await work.run(['status'])).code).toBe(0));
});

test('what was rolled back stays so when it is started again, and a second supervisor on the same plugins is refused', async () => {
  work.plugin('demo', '2.0.0', DEMO);
  const first = await work.start();
  expect(await work.json(['status', 'demo'])).toMatchObject({ version: '2.0.0' });
  expect((await work.run(['load', 'plugins/demo/1.0.0'])).code).toBe(0);
  const second = await work.run(['start', '--socket', work.path('other.sock')]);
  expect(second).toMatchObject({ code: 2, stderr: expect.stringMatching(/ERR_STATE_IN_USE/) });
  first.child.kill('SIGTERM');
  expect((await first.ended).code).toBe(0);
  await work.start();
  expect(await work.json(['status', 'demo'])).toMatchObject({ version: '1.0.0' });
});

test('with --watch a version that is put into the plugin folder is rolled out', async () => {
  await work.start(['--watch']);
  const dir = work.plugin('demo', '2.0.0', DEMO);
  await until('it is active', async () => ((await work.json(['status', 'demo'])) as { version: string }).version === '2.0.0');
  expect(await work.json(['status', 'demo'])).toMatchObject({ dir });
});

test('commands are answered while a plugin hangs in its start, and the line that says ready comes once that is over', async () => {
  work.plugin('demo', '1.0.0', DEMO);
  work.plugin('hangs', '1.0.0', 'export default { init: () => new Promise(() => {}), methods: { a() {} } };');
  work.write('chameleon.config.json', { defaults: { restart: { maxRestarts: 0 } }, plugins: { hangs: { startTimeoutMs: 6_000 } } });
  const supervisor = work.spawn(['start', '--json']);
  await eventually(async () => expect(await work.run(['call', 'demo', 'echo', '1'])).toMatchObject({ code: 0 }));
  expect(await work.run(['status', 'hangs'])).toMatchObject({ code: 0, stdout: expect.stringContaining('starting') as string });
  expect(supervisor.stdout()).toBe('');
  await eventually(() => expect(supervisor.stdout()).toContain('"ready":true'));
  expect(JSON.parse(supervisor.stdout())).toMatchObject({ plugins: 2, active: 1 });
});
