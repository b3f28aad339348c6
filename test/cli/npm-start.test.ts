/** Started by npm or npx: in a clone that is not built yet, and when npm ends and leaves its script behind. Real npm 10 and 11. */
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { peer } from '../helpers/parts.ts';
import { until } from '../helpers/until.ts';
import { DEMO, eventually, isAlive, release, Workplace, type Started } from './run.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const MAIN = path.join(ROOT, 'dist/src/cli/main.js');

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
  work.plugin('demo', '1.0.0', DEMO);
});
afterEach(release);

describe.each(['npm-10', 'npm-11'])('%s', { timeout: 120_000 }, (npm) => {
  const run = (...args: string[]): Started =>
    work.program(process.execPath, [path.join(peer(npm), 'bin/npm-cli.js'), ...args], { env: { npm_config_cache: work.path('cache') } });

  async function ready({ stdout }: Started): Promise<{ pid: number; child: number }> {
    // npm takes its time before it starts anything.
    await until('it is ready', () => /^ready: .*pid \d+/m.test(stdout()), 60_000);
    const { plugins } = (await work.json(['status'])) as { plugins: { pid: number }[] };
    return { pid: Number(/^ready: .*pid (\d+)/m.exec(stdout())![1]), child: plugins[0]!.pid };
  }

  test.each([
    ['npm start', ['start']],
    ['npx', ['exec', '--offline', '--', 'chameleon-supervisor', 'start']],
  ])('%s that is ended by a signal leaves no supervisor, no plugin and no socket', async (_, args) => {
    work.write('package.json', { name: 'host', private: true, scripts: { start: `node ${MAIN} start` } });
    mkdirSync(work.path('node_modules/.bin'), { recursive: true });
    symlinkSync(MAIN, work.path('node_modules/.bin/chameleon-supervisor'));
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const started = run(...args);
      const { pid, child } = await ready(started);
      const call = work.run(['call', 'demo', 'sleep', '1000']);
      await eventually(async () => expect(await work.json(['status', 'demo'])).toMatchObject({ inFlight: 1 }));
      started.child.kill(signal);
      // It drains before it ends.
      expect(await call).toMatchObject({ code: 0, stdout: '1000\n' });
      await eventually(() => expect([pid, child].map(isAlive)).toEqual([false, false]));
      expect(existsSync(work.socket)).toBe(false);
    }
  });

  test('a script that starts it in a session of its own leaves it running', async () => {
    work.write('package.json', { name: 'host', private: true, scripts: { daemon: `setsid node ${MAIN} start &` } });
    const started = run('run', 'daemon');
    const { pid } = await ready(started);
    started.child.kill('SIGTERM');
    await eventually(() => expect(isAlive(started.pid)).toBe(false));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGTERM');
    await eventually(() => expect(isAlive(pid)).toBe(false));
  });

  test('npx in a clone says that it is not built yet, and runs the command once it is', async () => {
    const { name, version, type, bin } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as Record<string, unknown>;
    work.write('package.json', { name, version, type, bin });
    cpSync(path.join(ROOT, 'bin'), work.path('bin'), { recursive: true });
    const status = ['exec', '--offline', '--', 'chameleon-supervisor', 'status'];
    expect(await run(...status).ended).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is not built yet\n  build it: npm ci && npm run build'),
    });
    for (const built of ['dist', 'node_modules']) symlinkSync(path.join(ROOT, built), work.path(built));
    expect(await run(...status).ended).toMatchObject({ code: 3, stderr: expect.stringContaining('no supervisor is running') });
  });
});
