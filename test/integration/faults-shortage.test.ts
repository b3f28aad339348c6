/** Faults F30 and F12 as the kernel itself brings them about: a child that it kills for want of memory, and a fork that it refuses. */
import { expect, onTestFinished, test } from 'vitest';
import { memoryGroup, processLimit, runSupervisor } from '../helpers/shortage.ts';

const MiB = 2 ** 20;

const skippedFor = (why: string | null): string => (why === null ? '' : ` (skipped: ${why})`);

// Who may not make memory groups or lower limits, as in most containers, cannot have the kernel do it; the title then says why.
const memory = memoryGroup(400 * MiB);
const noMemoryGroup = 'why' in memory ? memory.why : null;
if (!('why' in memory)) memory.remove();

test.skipIf(noMemoryGroup !== null)(
  `F30 a child that the kernel kills for want of memory has died of that, and the others and the supervisor go on${skippedFor(noMemoryGroup)}`,
  { timeout: 60_000 },
  async () => {
    const group = memoryGroup(400 * MiB);
    if ('why' in group) throw new Error(group.why);
    onTestFinished(() => group.remove());
    const said = await runSupervisor(
      `
    const supervisor = await createSupervisor({ strictModes: false, logger: { debug() {}, info() {}, warn() {}, error() {} }, defaults: { restart: { backoffMs: 20 } } });
    await supervisor.load(folder('bystander'));
    await supervisor.load(folder('leaks'));
    const { pid } = supervisor.status('leaks');
    const crashes = [];
    supervisor.on('instance-crashed', ({ plugin, exit }) => crashes.push({ plugin, ...exit }));
    let isOver = false;
    const call = supervisor.call('leaks', 'growTo', [4 * 2 ** 30, 0]).catch((error) => error.toJSON()).finally(() => (isOver = true));
    let served = 0;
    for (; !isOver; served++) await supervisor.call('bystander', 'echo', [served]);
    const { code, maybeExecuted } = await call;
    say('died', { code, maybeExecuted, served, killed: pid, crashes });
    say('serves', { pid: await supervisor.call('leaks', 'pid', [], { timeoutMs: 20000 }), killed: pid, bystander: await supervisor.call('bystander', 'echo', [1]) });
    await supervisor.close();`,
      { script: group.enter },
    );
    expect(said.map(({ kind }) => kind)).toEqual(['died', 'serves', 'end']);
    const [died, serves] = said;
    expect(died).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true });
    expect(died!['served']).toBeGreaterThan(10);
    expect(died!['crashes']).toEqual([
      expect.objectContaining({
        plugin: 'leaks',
        pid: died!['killed'],
        signal: 'SIGKILL',
        cause: 'out-of-memory',
        detail: 'the kernel was out of memory and ended it',
        stderrTail: expect.stringContaining('growing') as string,
      }),
    ]);
    expect(serves).toMatchObject({ bystander: 1 });
    expect(serves!['pid']).not.toBe(serves!['killed']);
  },
);

const limit = processLimit();
const noProcessLimit = 'why' in limit ? limit.why : null;

test.skipIf(noProcessLimit !== null)(
  `F12 where the kernel refuses a fork a start fails typed and is put off, what runs goes on, and it recovers by itself${skippedFor(noProcessLimit)}`,
  { timeout: 60_000 },
  async () => {
    if ('why' in limit) throw new Error(limit.why);
    const said = await runSupervisor(
      `
    import { readFile } from 'node:fs/promises';
    const supervisor = await createSupervisor({ strictModes: false, logger: { debug() {}, info() {}, warn() {}, error() {} }, defaults: { restart: { maxRestarts: 2, backoffMs: 20, maxBackoffMs: 80 } } });
    await supervisor.load(folder('bystander'));
    await supervisor.load(folder('busy'));
    // Node ends itself when it cannot make the threads that read files, so they are made first.
    await Promise.all(Array.from({ length: 32 }, () => readFile(process.execPath).then((bytes) => bytes.length)));
    let failures = 0;
    supervisor.on('instance-start-failed', ({ error }) => {
      if (failures++ === 0) say('failed', { ...error.toJSON(), exitCause: error.exit.cause, detail: error.exit.detail });
    });
    const delays = [];
    supervisor.on('restart-scheduled', ({ delayMs }) => delays.push(delayMs));
    say('ready');
    await until(() => Number(/^Max processes +(\\S+)/m.exec(process.getBuiltinModule('fs').readFileSync('/proc/self/limits', 'utf8'))[1]) === 1);
    process.kill(supervisor.status('busy').pid, 'SIGKILL');
    await until(() => failures > 6);
    let served = 0;
    for (; served < 200; served++) await supervisor.call('bystander', 'echo', [served]);
    const { state, restarts } = supervisor.status('busy').versions[0];
    const waiting = supervisor.call('busy', 'idle', [], { timeoutMs: 20000 });
    say('starved', { served, state, restarts, longest: Math.max(...delays) });
    await waiting;
    say('recovered', { state: supervisor.status('busy').versions[0].state });
    await supervisor.close();`,
      {
        script: '',
        as: limit.as,
        heard: ({ kind }, pid) => {
          if (kind === 'ready') limit.set(pid, '1');
          if (kind === 'starved') limit.set(pid, limit.usual);
        },
      },
    );
    expect(said).toMatchObject([
      { kind: 'ready' },
      {
        kind: 'failed',
        code: 'ERR_START_FAILED',
        phase: 'spawn',
        exitCause: 'spawn-error',
        detail: expect.stringContaining('EAGAIN'),
        hint: expect.stringContaining('out of processes, files'),
      },
      { kind: 'starved', served: 200, state: 'restarting', restarts: 1 },
      { kind: 'recovered', state: 'running' },
      { kind: 'end' },
    ]);
    expect(said[2]!['longest']).toBeLessThanOrEqual(80);
  },
);
