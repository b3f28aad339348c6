/** Faults F07 and F12: many plugins die at once, and a host that has nothing left to start them with. */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { readFile, writeFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Invariants } from '../helpers/invariants.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

test.each(['idle', 'under load'] as const)(
  'F07 of twenty plugins killed at one instant a few start at a time, and all are soon ready, %s',
  async (load) => {
    const PLUGINS = 20;
    const folder = await supervise.tempDir();
    const names = Array.from({ length: PLUGINS }, (_, i) => `twin-${i}`);
    await Promise.all(names.map((name) => putFixture(folder, 'bystander', { name })));
    const watched = await supervise({ pluginDir: folder });
    const { supervisor } = watched;
    const check = await Invariants.begin(watched, load);
    const pids = names.map((name) => supervisor.status(name).pid!);
    let starting = 0;
    let most = 0;
    supervisor.on('instance-starting', () => (most = Math.max(most, ++starting)));
    supervisor.on('instance-ready', () => starting--);
    const at = performance.now();
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await until('all are replaced', () => check.events('instance-ready').length === PLUGINS, 15_000);
    expect(performance.now() - at).toBeLessThan(15_000);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(2 * availableParallelism());
    expect(await Promise.all(names.map((name) => supervisor.call(name, 'echo', [name])))).toEqual(names);
    supervisor.removeAllListeners('instance-starting').removeAllListeners('instance-ready');
    await check.end({ faults: PLUGINS });
  },
);

interface Said {
  kind: string;
  [fact: string]: unknown;
}

/** A supervisor in a process of its own that may have so many descriptors, and does what the program says. */
async function underLimit(descriptors: number, program: string): Promise<Said[]> {
  const module = `
    import { closeSync, openSync } from 'node:fs';
    import { createSupervisor } from ${JSON.stringify(pathToFileURL(join(fixtures, '../../../dist/src/index.js')).href)};
    const say = (kind, facts) => console.log(JSON.stringify({ kind, ...facts }));
    const until = async (condition) => { while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20)); };
    const folder = (name) => ${JSON.stringify(fixtures)} + '/' + name;
    process.on('warning', ({ message }) => say('warning', { message }));
    ${program}
    say('end', { pid: process.pid });`;
  const script = `ulimit -n ${descriptors}; exec "$0" --input-type=module -e "$1"`;
  const host = spawn('sh', ['-c', script, process.execPath, module], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void host.kill('SIGKILL'));
  const said: Said[] = [];
  for await (const line of createInterface({ input: host.stdout })) said.push(JSON.parse(line) as Said);
  return said;
}

test(
  'F12 without descriptors a start fails typed and is put off, what runs goes on, and it recovers once there are some',
  { timeout: 40_000 },
  async () => {
    const said = await underLimit(
      128,
      `
    const supervisor = await createSupervisor({ defaults: { restart: { maxRestarts: 2, backoffMs: 20, maxBackoffMs: 80 } } });
    await supervisor.load(folder('bystander'));
    await supervisor.load(folder('busy'));
    const held = [];
    const take = () => { try { for (;;) held.push(openSync('/dev/null')); } catch (error) { return error.code; } };
    say('out', { code: take() });
    // What the dead child held is taken as well, as soon as it is free.
    const timer = setInterval(take, 1);
    let failures = 0;
    supervisor.on('instance-start-failed', ({ error }) => {
      if (failures++ === 0) say('failed', { ...error.toJSON(), exitCause: error.exit.cause });
    });
    const delays = [];
    supervisor.on('restart-scheduled', ({ delayMs }) => delays.push(delayMs));
    process.kill(supervisor.status('busy').pid, 'SIGKILL');
    await until(() => failures > 6);
    const waiting = supervisor.call('busy', 'idle', [], { timeoutMs: 20000 });
    let served = 0;
    for (; served < 200; served++) await supervisor.call('bystander', 'echo', [served]);
    const { state, restarts } = supervisor.status('busy').versions[0];
    clearInterval(timer);
    for (const fd of held) closeSync(fd);
    await waiting;
    say('recovered', { served, state, restarts, longest: Math.max(...delays), status: supervisor.status('busy').versions[0].state });
    await supervisor.close();`,
    );
    expect(said).toMatchObject([
      { kind: 'out', code: 'EMFILE' },
      {
        kind: 'failed',
        code: 'ERR_START_FAILED',
        phase: 'spawn',
        exitCause: 'spawn-error',
        hint: expect.stringContaining('out of processes, files'),
      },
      { kind: 'recovered', served: 200, state: 'restarting', status: 'running' },
      { kind: 'end' },
    ]);
    const { longest, restarts } = said[2]!;
    // It is not what the plugin has to answer for: of its two restarts only the death itself has cost one.
    expect(restarts).toBe(1);
    expect(longest).toBeLessThanOrEqual(80);
  },
);

test('a version that was loaded, and had one chance to start, is not given up when a later restart fails once', async () => {
  const watched = await supervise({ defaults: { restart: { backoffMs: 50, maxBackoffMs: 50 } } });
  const { supervisor } = watched;
  const dir = await putFixture(await supervise.tempDir(), 'worker');
  await supervisor.load(dir);
  const check = await Invariants.begin(watched);
  const entry = join(dir, 'index.js');
  const code = await readFile(entry, 'utf8');
  await writeFile(entry, 'throw new Error("half written");');
  process.kill(supervisor.status('worker').pid!, 'SIGKILL');
  await until('a restart has failed', () => check.events('instance-start-failed').length > 0);
  await writeFile(entry, code);
  expect(await supervisor.call('worker', 'pid')).toBe(supervisor.status('worker').pid);
  expect(check.events('plugin-failed')).toEqual([]);
  await check.end({ faults: check.events('instance-crashed', 'instance-start-failed').length });
});
