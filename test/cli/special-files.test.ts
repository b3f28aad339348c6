/** Pipes, devices, folders and huge files in the place of what the command reads: nothing hangs, nothing fills the memory. */
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { IMPOSTORS, putImpostor } from '../helpers/impostors.ts';
import { DEMO, eventually, isAlive, release, Workplace } from './run.ts';

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
  work.plugin('demo', '1.0.0', DEMO);
});
afterEach(release);

describe.each(IMPOSTORS)('%s', (kind) => {
  test('in the place of each file of the state folder is set aside, and start serves and stops', async () => {
    mkdirSync(work.path('plugins/.chameleon'));
    const names = ['state.json', 'state.before.json', 'state.json.new', 'state.before.json.new', 'supervisor.lock'];
    for (const name of names) await putImpostor(kind, work.path('plugins/.chameleon', name));
    const { child, stderr, ended } = await work.start();
    expect((await work.run(['reload', 'demo'])).code).toBe(0);
    for (const name of ['state.json', 'supervisor.lock']) expect(stderr()).toMatch(new RegExp(`"warn".*/${name} .*set aside as `));
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0 });
    expect(existsSync(work.path('plugins/.chameleon/supervisor.lock'))).toBe(false);
  });

  test('in the place of a configuration is a mistake, found or named', async () => {
    await putImpostor(kind, work.path('chameleon.config.json'));
    for (const args of [['validate'], ['validate', '--config', 'chameleon.config.json']]) {
      const { code, stderr } = await work.run(args);
      expect(stderr).toMatch(
        /chameleon\.config\.json: 1 mistake to correct\n.*(is not a file but|is larger than 1048576 bytes|zero may be written by other users)/,
      );
      expect(code).toBe(2);
    }
  });

  test('in the place of a package.json or of an integrity record is refused, and the other plugins serve', async () => {
    for (const [name, file] of [
      ['packed', 'package.json'],
      ['recorded', '.chameleon/integrity.json'],
    ] as const) {
      work.plugin(name, '1.0.0', DEMO);
      const target = work.path('plugins', name, '1.0.0', file);
      rmSync(target, { force: true });
      mkdirSync(work.path('plugins', name, '1.0.0/.chameleon'), { recursive: true });
      await putImpostor(kind, target);
    }
    const { stdout, child, ended } = await work.start();
    expect(stdout()).toContain('ready: 1 plugin, 2 refused');
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });
});

test('arguments are read from a pipe, and from nothing beyond what a request may take', async () => {
  await work.start();
  execFileSync('mkfifo', [work.path('pipe')]);
  const called = work.run(['call', 'demo', 'greet', '@pipe']);
  execFileSync('sh', ['-c', `echo '["world"]' > pipe`], { cwd: work.dir });
  expect(await called).toMatchObject({ code: 0, stdout: '"你好, world"\n' });
  symlinkSync('/dev/zero', work.path('zero'));
  expect(await work.run(['call', 'demo', 'greet', '@zero'])).toMatchObject({ code: 2, stderr: expect.stringContaining('zero holds more than') });
});

test('a second signal ends a process of which a thread hangs', async () => {
  execFileSync('mkfifo', [work.path('dead')]);
  work.plugin('slow', '1.0.0', DEMO.replace('init(plugin) {', 'free() { return new Promise(() => {}); },\n  init(plugin) {'));
  // As reading from a disk that does not answer: Node waits for its threads when it exits.
  const hang = work.write('hang.mjs', `import { open } from 'node:fs';\nopen(${JSON.stringify(work.path('dead'))}, 'r', () => {});\n`);
  const { pid, child, ended, stderr } = work.spawn(['start', '--log-level', 'debug'], { env: { NODE_OPTIONS: `--import=${hang}` } });
  // A plugin that is still starting is killed at once: only one that is ready and does not finish holds up the stop.
  await eventually(() => expect(stderr()).toMatch(/"instance-ready".*"plugin":"slow"/));
  child.kill('SIGTERM');
  // One that comes at once is the echo of the first.
  await eventually(() => {
    if (!stderr().includes('again')) child.kill('SIGTERM');
    expect(stderr()).toContain('SIGTERM again');
  });
  await eventually(() => expect(isAlive(pid)).toBe(false));
  const { code, signal } = await ended;
  expect(signal ?? code).toBe(signal === null ? 143 : 'SIGTERM');
});
