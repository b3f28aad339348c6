/** What the process of a supervisor was given by its own parent: descriptors, and the wish of a stranger to open its debugger. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { StartFailedError } from '../../src/index.ts';
import { putFiles, putFixture } from '../helpers/put-plugin.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const library = pathToFileURL(join(import.meta.dirname, '../../dist/src/index.js')).href;
// Elsewhere nothing tells which descriptors were inherited.
const onLinux = process.platform === 'linux' ? test : test.skip;

const plugin = (methods: string, head = ''): Record<string, string> => ({
  'package.json': JSON.stringify({ name: 'probe', version: '1.0.0', main: 'index.js' }),
  'index.js': `${head}\nmodule.exports = { methods: { ${methods} } };`,
});

onLinux('a descriptor that the supervisor has inherited without close-on-exec reaches no child', async () => {
  const dir = await putFiles(
    await supervise.tempDir(),
    plugin(
      `open() {
        const { readdirSync, readlinkSync } = require('node:fs');
        return readdirSync('/proc/self/fd').map((fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } });
      }`,
    ),
  );
  const secret = join(await supervise.tempDir(), 'secret');
  await writeFile(secret, 'hunter2');
  const program = `
    import { createSupervisor } from ${JSON.stringify(library)};
    const supervisor = await createSupervisor({ strictModes: false, logger: { debug() {}, info() {}, warn() {}, error() {} }, spares: 1 });
    await supervisor.load(${JSON.stringify(dir)});
    console.log(JSON.stringify(await supervisor.call('probe', 'open')));
    await supervisor.close();`;
  const script = 'exec 42<"$2" 200>>"$2" 3<"$2" 17<"$2"; exec "$0" --input-type=module -e "$1"';
  const host = spawn('bash', ['-c', script, process.execPath, program, secret], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: host.stdout })) lines.push(line);
  const open = JSON.parse(lines[0]!) as string[];
  expect(open).toContain('/dev/null');
  expect(open.filter((path) => path.includes('secret'))).toEqual([]);
});

onLinux('a plugin starts beside inherited descriptors that are as high as the limit on open files, or higher', async () => {
  const dir = await putFixture(await supervise.tempDir(), 'bystander');
  const program = `
    import { createSupervisor } from ${JSON.stringify(library)};
    const supervisor = await createSupervisor({ strictModes: false });
    await supervisor.load(${JSON.stringify(dir)});
    console.log(await supervisor.call('bystander', 'echo', ['served']));
    await supervisor.close();`;
  const script = 'exec 90</dev/zero 198</dev/zero 199</dev/zero 200</dev/zero 251</dev/zero; ulimit -n 200; exec "$0" --input-type=module -e "$1"';
  const host = spawn('bash', ['-c', script, process.execPath, program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: host.stdout })) lines.push(line);
  expect(lines).toEqual(['served']);
});

onLinux("SIGUSR1 opens nobody's debugger: not that of a supervisor that was started by the command, nor that of its plugins", async () => {
  const folder = await supervise.tempDir();
  await putFixture(folder, 'bystander');
  const cli = join(import.meta.dirname, '../../dist/src/cli/main.js');
  const host = spawn(process.execPath, [cli, 'start', '--plugin-dir', folder, '--json'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void host.kill('SIGKILL'));
  let stderr = '';
  host.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await once(host.stdout, 'data');
  const pid = Number(/"pid":(\d+)/.exec(/ready in.*/.exec(stderr)?.[0] ?? '')?.[1]);
  expect(pid).toBeGreaterThan(0);
  for (const each of [host.pid!, pid]) process.kill(each, 'SIGUSR1');
  process.kill(pid, 'SIGINT');
  await new Promise((done) => setTimeout(done, 500));
  host.kill('SIGTERM');
  expect(await once(host, 'exit')).toEqual([0, null]);
  expect(stderr).not.toMatch(/Debugger listening|crashed/);
});

onLinux('a command that runs out of descriptors says how many it needs', async () => {
  const cli = join(import.meta.dirname, '../../dist/src/cli/main.js');
  const host = spawn('sh', ['-c', 'ulimit -n 64; exec "$0" "$1" start', process.execPath, cli], {
    cwd: await supervise.tempDir(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  host.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  expect(await once(host, 'close')).toEqual([1, null]);
  expect(stderr).toMatch(/^error: no file descriptors are left: a supervisor needs 256, and 4 more for each child; raise the limit/);
  expect(stderr).not.toMatch(/^ +at /m);
});

test('SIGINT that a process manager sends to every process ends no plugin', async () => {
  const { supervisor } = await supervise.fixture('bystander');
  const pid = supervisor.status('bystander').pid!;
  process.kill(pid, 'SIGINT');
  expect(await supervisor.call('bystander', 'echo', ['still here'])).toBe('still here');
  expect(supervisor.status('bystander').pid).toBe(pid);
});

describe('a plugin that runs the file of process.argv[1] again', () => {
  test.each([
    ['cluster.fork()', "require('node:cluster').fork()"],
    ['fork(process.argv[1])', "require('node:child_process').fork(process.argv[1])"],
  ])('by %s is told in one line what to do', async (_, code) => {
    const dir = await putFiles(
      await supervise.tempDir(),
      plugin(`again() { const child = ${code}; return new Promise((resolve) => (child.process ?? child).once('exit', resolve)); }`),
    );
    const { supervisor, logs } = await supervise();
    await supervisor.load(dir);
    expect(await supervisor.call('probe', 'again')).toBe(2);
    await until('it is told', () => logs.some(({ stream }) => stream === 'stderr'));
    const told = logs.filter(({ stream }) => stream === 'stderr').map(({ message }) => message);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/cluster\.setupPrimary\(\{ exec: /);
  });
});

test('a plugin may write to its standard output in every way while the supervisor reads nothing', async () => {
  const dir = await putFiles(
    await supervise.tempDir(),
    plugin(`write() {
      const { writeSync } = require('node:fs');
      const { spawnSync } = require('node:child_process');
      const line = 'x'.repeat(1023) + '\\n';
      process.stdout.write(line);
      process.stderr.write(line);
      for (let i = 0; i < 600; i++) { writeSync(1, line); writeSync(2, line); }
      const { status } = spawnSync('sh', ['-c', 'i=0; while [ $i -lt 300 ]; do echo ' + 'y'.repeat(1000) + ' || exit 1; i=$((i+1)); done'], { stdio: ['ignore', 'inherit', 'inherit'] });
      return status;
    }`),
  );
  const { supervisor } = await supervise({ defaults: { maxLogsPerSecond: 100_000 } });
  await supervisor.load(dir);
  const answer = supervisor.call('probe', 'write');
  await new Promise((done) => setImmediate(done));
  // The pipes of the plugin are full for most of this time.
  for (const end = performance.now() + 500; performance.now() < end;);
  expect(await answer).toBe(0);
});

test('a version whose folder was removed is told so when it cannot be started again', async () => {
  const folder = await supervise.tempDir();
  const dir = await putFixture(folder, 'bystander');
  const { supervisor } = await supervise({ defaults: { restart: { maxRestarts: 1, backoffMs: 10 } } });
  await supervisor.load(dir);
  await rm(dir, { recursive: true });
  const failed = once(supervisor, 'instance-start-failed');
  process.kill(supervisor.status('bystander').pid!, 'SIGKILL');
  const [{ error }] = (await failed) as [{ error: StartFailedError }];
  expect(error.message).toContain(`its folder ${dir} is gone`);
  expect(error.hint).toContain(`put ${dir} back`);
});
