/** `dev` and `start --watch` where the system lets nobody watch any more: a real limit, of a user namespace of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { testWith } from '../helpers/parts.ts';
import { until } from '../helpers/until.ts';
import { MAIN } from './run.ts';

const limited = (limit: string, value: number, command: string): string[] => [
  '--user',
  '--map-root-user',
  'sh',
  '-c',
  `echo ${value} > /proc/sys/user/${limit} && exec ${command}`,
];
const canLimit = spawnSync('unshare', limited('max_inotify_watches', 1, 'true')).status === 0;

const cases: [command: string, limit: string, value: number, setting: string][] = [
  ['dev', 'max_inotify_watches', 2, 'fs.inotify.max_user_watches'],
  ['dev', 'max_inotify_instances', 0, 'fs.inotify.max_user_instances'],
  ['start --watch', 'max_inotify_watches', 2, 'fs.inotify.max_user_watches'],
  ['start --watch', 'max_inotify_instances', 0, 'fs.inotify.max_user_instances'],
];

for (const [command, limit, value, setting] of cases)
  testWith('user namespace', canLimit)(`${command} says once that ${limit} have run out, names the setting, and goes on`, async () => {
    const home = mkdtempSync(path.join(tmpdir(), 'chameleon-shortage-'));
    const plugin = path.join(home, 'plugins/hello');
    for (const folder of ['a', 'b', 'c', 'd']) mkdirSync(path.join(plugin, folder), { recursive: true });
    writeFileSync(path.join(plugin, 'package.json'), JSON.stringify({ name: 'hello', version: '1.0.0', type: 'module', main: 'index.js' }));
    writeFileSync(path.join(plugin, 'index.js'), 'export default { methods: { greet: () => "hi" } };');
    for (const folder of ['a', 'b', 'c', 'd']) cpSync(path.join(plugin, 'index.js'), path.join(plugin, folder, 'index.js'));
    const what = command === 'dev' ? `dev ${plugin}` : `start --watch --plugin-dir ${path.join(home, 'plugins')}`;
    const child = spawn('unshare', limited(limit, value, `'${process.execPath}' '${MAIN}' ${what}`), { cwd: home });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    try {
      await until('it serves', () => /^ready: /m.test(output), 20_000);
      child.kill('SIGTERM');
      expect(await ended, output).toBe(0);
      expect(output.split(setting).length - 1, output).toBe(1);
      expect(output).not.toMatch(/^\s+at /m);
    } finally {
      child.kill('SIGKILL');
      await ended;
      rmSync(home, { recursive: true, force: true });
    }
  });
