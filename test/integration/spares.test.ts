/** Processes that wait for the next start of a plugin: what takes them, who does not get them, and that nothing is left of them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readRelease } from '../../src/catalog/release.ts';
import { Spares } from '../../src/instance/spares.ts';
import { resolveOptions, resolvePluginOptions } from '../../src/options.ts';
import { processesMarked } from '../../src/process/marker.ts';
import { INSTANCE_MARKER } from '../../src/protocol/messages.ts';
import { linesOf } from '../helpers/lines.ts';
import { allGone, isAlive } from '../helpers/processes.ts';
import { putFiles, putFixture } from '../helpers/put-plugin.ts';
import { waitingSpares } from '../helpers/spares.ts';
import { examples, fixtures, ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

/** Tells how it sees the world. */
const OBSERVER = `
  import { readFileSync } from 'node:fs';
  const seen = () => ({
    cwd: process.cwd(), url: import.meta.url, relative: readFileSync('note.txt', 'utf8'), env: process.env, execArgv: process.execArgv,
    argv: process.argv, title: process.title, main: typeof require, group: process.pid,
  });
  const atImport = seen();
  export default { methods: { atImport: () => atImport, now: seen, pid: () => process.pid, die: () => process.kill(process.pid, 'SIGKILL') } };`;

const putObserver = (folder: string, name: string, version = '1.0.0'): Promise<string> =>
  putFiles(join(folder, name, version), {
    'package.json': JSON.stringify({ name, version, type: 'module', main: 'index.js' }),
    'index.js': OBSERVER,
    'note.txt': `of ${name} ${version}`,
  });

describe('a spare is taken by', () => {
  test('the restart of a child that was killed, and another one is made ready', async () => {
    const { supervisor, events } = await supervise.fixture('worker', {}, { spares: 1 });
    const [spare] = await waitingSpares(supervisor, 1);
    process.kill(supervisor.status('worker').pid!, 'SIGKILL');
    await until('it was killed', () => events.some(({ kind }) => kind === 'instance-crashed'));
    expect(await supervisor.call('worker', 'pid')).toBe(spare);
    expect(await waitingSpares(supervisor, 1)).not.toEqual([spare]);
    const { uptimeMs } = supervisor.status('worker');
    const started = events.filter(({ kind }) => kind === 'instance-starting' || kind === 'instance-ready').map(({ kind }) => kind);
    expect(started).toEqual(['instance-starting', 'instance-ready', 'instance-starting', 'instance-ready']);
    expect(uptimeMs).toBeGreaterThan(0);
  });

  test('a rollout, a reload and another plugin', async () => {
    const { supervisor } = await supervise({ spares: 2 });
    const folder = await supervise.tempDir();
    await supervisor.load(await putObserver(folder, 'one'));
    const first = await waitingSpares(supervisor, 2);
    await supervisor.load(await putObserver(folder, 'one', '1.1.0'), { rollout: { holdMs: 0 } });
    expect(first).toContain(await supervisor.call('one', 'pid'));
    const second = await waitingSpares(supervisor, 2);
    await supervisor.reload('one');
    expect(second).toContain(await supervisor.call('one', 'pid'));
    const third = await waitingSpares(supervisor, 2);
    await supervisor.load(await putObserver(folder, 'two'));
    expect(third).toContain(await supervisor.call('two', 'pid'));
    expect(await supervisor.call('two', 'now')).toMatchObject({ relative: 'of two 1.0.0' });
  });

  test('all children of a version at once, as far as they go', async () => {
    const { supervisor } = await supervise.fixture('worker', {}, { spares: 2 });
    const spares = await waitingSpares(supervisor, 2);
    await supervisor.load(await putFixture(await supervise.tempDir(), 'worker', { name: 'crowd' }), { options: { instances: 3 } });
    const pids = supervisor.status('crowd').versions[0]!.instances.map(({ pid }) => pid!);
    expect(pids.filter((pid) => spares.includes(pid))).toHaveLength(2);
    expect(new Set(pids).size).toBe(3);
  });
});

test('a plugin sees no difference: folder, environment, arguments and marker are as in a cold start', async () => {
  const folder = await realpath(await supervise.tempDir());
  const dir = await putObserver(folder, 'observer');
  const options = { env: { COLOUR: 'green' } };
  const { supervisor } = await supervise({ spares: 1, defaults: options });
  await supervisor.load(dir);
  const views = async (): Promise<[Record<string, unknown>, string, number]> => {
    const [early, late] = (await Promise.all([supervisor.call('observer', 'atImport'), supervisor.call('observer', 'now')])) as Record<
      string,
      unknown
    >[];
    expect(late).toEqual(early);
    const { env, group, ...rest } = early!;
    const { [INSTANCE_MARKER]: marker, ...variables } = env as Record<string, string>;
    return [{ ...rest, env: variables }, marker!, group as number];
  };
  const [cold, coldMarker] = await views();
  const [spare] = await waitingSpares(supervisor, 1);
  await supervisor.reload('observer');
  const [warm, warmMarker, pid] = await views();
  expect(pid).toBe(spare);
  expect(warm).toEqual(cold);
  expect(warm).toMatchObject({ cwd: dir, url: pathToFileURL(join(dir, 'index.js')).href, relative: 'of observer 1.0.0' });
  expect(warmMarker).not.toBe(coldMarker);
  expect(supervisor.status('observer').versions[0]!.instances).toMatchObject([{ id: warmMarker, pid }]);
  expect(await processesMarked((marker) => marker === warmMarker)).toMatchObject([{ pid, marker: warmMarker }]);
});

describe('there are spares', () => {
  test('for each set of launch options, and nobody gets one of another set', async () => {
    const { supervisor } = await supervise({ spares: 1 });
    const folder = await supervise.tempDir();
    await supervisor.load(await putObserver(folder, 'plain'));
    const [plain] = await waitingSpares(supervisor, 1);
    await supervisor.load(await putObserver(folder, 'small'), { options: { execArgv: ['--max-old-space-size=64'] } });
    expect(supervisor.status('small').pid).not.toBe(plain);
    expect(await waitingSpares(supervisor, 2)).toContain(plain);
    await supervisor.load(await putObserver(folder, 'green'), { options: { env: { COLOUR: 'green' } } });
    const three = await waitingSpares(supervisor, 3);
    expect(three).toContain(plain);
    await supervisor.reload('small');
    const { execArgv } = (await supervisor.call('small', 'now')) as { execArgv: string[] };
    expect(three).toContain(supervisor.status('small').pid);
    expect(execArgv).toEqual(['--max-old-space-size=64']);
  });

  test('none in the folder of a plugin that sleeps, before it was called', async () => {
    const pluginDir = await supervise.tempDir();
    await putObserver(pluginDir, 'asleep');
    const { supervisor } = await supervise({ pluginDir, spares: 1, defaults: { lazy: true, execArgv: ['--max-old-space-size=64'] } });
    await supervisor.load(await putObserver(await supervise.tempDir(), 'awake'), { options: { execArgv: [] } });
    const first = await waitingSpares(supervisor, 1);
    expect(first).not.toContain(await supervisor.call('asleep', 'pid'));
    expect(await waitingSpares(supervisor, 2)).toContain(first[0]);
  });

  test('none for a command of a plugin', async () => {
    const { supervisor } = await supervise({ spares: 1 });
    await supervisor.load(join(examples, 'wordcount/1.0.0'));
    await supervisor.load(await putObserver(await supervise.tempDir(), 'plain'));
    await waitingSpares(supervisor, 1);
    await supervisor.unload('plain');
    expect(await waitingSpares(supervisor, 0)).toEqual([]);
  });

  test('as many as the options say by now', async () => {
    const { supervisor } = await supervise.fixture('worker', {}, { spares: 0 });
    for (const spares of [2, 1, 0]) {
      await supervisor.reconfigure({ spares });
      expect(await waitingSpares(supervisor, spares)).toHaveLength(spares);
    }
  });

  test('until the last plugin that could take them is unloaded', async () => {
    const { supervisor } = await supervise({ spares: 2 });
    const folder = await supervise.tempDir();
    await supervisor.load(await putObserver(folder, 'one'));
    await supervisor.load(await putObserver(folder, 'two'));
    const spares = await waitingSpares(supervisor, 2);
    await supervisor.unload('one');
    expect(await waitingSpares(supervisor, 2)).toEqual(spares);
    await supervisor.unload('two');
    await waitingSpares(supervisor, 0);
    expect(await ourChildren()).toEqual([]);
  });
});

describe('a spare that', () => {
  test('dies while it waits is replaced, again and again', async () => {
    const { supervisor, events } = await supervise.fixture('worker', {}, { spares: 1 });
    const seen = new Set<number>();
    for (let round = 0; round < 3; round++) {
      const [spare] = await waitingSpares(supervisor, 1);
      seen.add(spare!);
      process.kill(spare!, 'SIGKILL');
      await until('it is gone', () => supervisor.status().spares === 0 || !isAlive(spare!));
    }
    expect(seen.size).toBe(3);
    expect(events.filter(({ kind }) => kind === 'instance-crashed' || kind === 'instance-start-failed')).toEqual([]);
  });

  test('is dead, dying or at a standstill when it is needed fails nothing: the child is started as ever', async () => {
    const { supervisor, events } = await supervise.fixture('worker', {}, { spares: 2 });
    const [killed, stopped] = await waitingSpares(supervisor, 2);
    process.kill(stopped!, 'SIGSTOP');
    process.kill(killed!, 'SIGKILL');
    await supervisor.reload('worker');
    expect([killed, stopped]).not.toContain(await supervisor.call('worker', 'pid'));
    expect(await waitingSpares(supervisor, 2)).not.toContain(stopped);
    expect(events.filter(({ kind }) => kind === 'instance-start-failed' || kind === 'rolled-back')).toEqual([]);
  });

  test('cannot be started is tried ever more seldom', async () => {
    const dir = await putObserver(await supervise.tempDir(), 'brief');
    const ledger = join(dir, 'ledger');
    await putFiles(dir, {
      'brief.cjs': `require('node:fs').appendFileSync(${JSON.stringify(ledger)}, Date.now() + '\\n'); process.kill(process.pid, 'SIGKILL');`,
    });
    const spares = new Spares({ count: 2, starts: { pending: 0, onIdle: () => Promise.resolve() }, random: () => 1 });
    const options = resolvePluginOptions(resolveOptions({ defaults: { execArgv: ['--require', './brief.cjs'] } }), 'brief');
    const claim = spares.claim(await readRelease(dir), options);
    const TIMES = 4;
    await until('some were started', () => existsSync(ledger) && linesOf(ledger).length >= TIMES, 30_000);
    expect(await claim.take()).toMatchObject({ spare: null });
    await spares.close();
    const times = linesOf(ledger).slice(0, TIMES).map(Number);
    expect(times.slice(1).map((time, i) => time - times[i]! >= 400 * 2 ** i)).toEqual([true, true, true]);
  });

  test('printed and logged while it waited is heard when it has a plugin', async () => {
    const folder = await supervise.tempDir();
    await putFiles(folder, {
      'loud.cjs': `
        process.stdout.write('printed early\\n');
        process.stderr.write('complained early\\n');
        setTimeout(() => { console.log('logged while waiting'); process.stdout.write('printed while waiting\\n'); }, 300).unref();`,
    });
    const { supervisor, logs } = await supervise({ spares: 1 });
    await supervisor.load(await putObserver(folder, 'loud'), { options: { execArgv: ['--require', join(folder, 'loud.cjs')] } });
    const [spare] = await waitingSpares(supervisor, 1);
    const said = (): string[] => logs.filter(({ pid }) => pid === spare).map(({ stream, message }) => `${stream}: ${message}`);
    const first = supervisor.status('loud').pid;
    await until('the first child has said all', () => logs.filter(({ pid }) => pid === first).length === 4);
    expect(said()).toEqual([]);
    await supervisor.reload('loud');
    expect(supervisor.status('loud').pid).toBe(spare);
    await until('the spare has said all', () => said().length === 4);
    expect(said().toSorted()).toEqual([
      'log: logged while waiting',
      'stderr: complained early',
      'stdout: printed early',
      'stdout: printed while waiting',
    ]);
    process.kill(spare!, 'SIGKILL');
    await until('its end is told', () => supervisor.status('loud').versions[0]!.lastExit?.pid === spare);
    expect(supervisor.status('loud').versions[0]!.lastExit).toMatchObject({ cause: 'signal', stderrTail: 'complained early' });
  });
});

describe('nothing is left of spares', () => {
  test('when the supervisor has closed, whenever that is', async () => {
    for (const delayMs of [0, 40, 60, 90, 150, 400]) {
      const { supervisor } = await supervise.fixture('worker', {}, { spares: 2 });
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await supervisor.close();
      expect(await ourChildren(), `closed after ${delayMs} ms`).toEqual([]);
      expect(supervisor.status().spares).toBe(0);
    }
  });

  test('when the host is killed: they end by themselves', async () => {
    const module = `
      import { createSupervisor } from ${JSON.stringify(pathToFileURL(join(fixtures, '../../../dist/src/index.js')).href)};
      const supervisor = await createSupervisor({ spares: 3, strictModes: false });
      await supervisor.load(${JSON.stringify(join(fixtures, 'worker'))});
      setInterval(() => console.log(supervisor.status().spares), 20);`;
    const host = spawn(process.execPath, ['--input-type=module', '-e', module], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void host.kill('SIGKILL'));
    for await (const line of createInterface({ input: host.stdout })) if (line === '3') break;
    const pids = (await processesMarked((marker) => marker.startsWith(`${host.pid}-`))).map(({ pid }) => pid);
    expect(pids).toHaveLength(4);
    const at = performance.now();
    host.kill('SIGKILL');
    await once(host, 'exit');
    await allGone(pids, at, 6_000);
  });
});
