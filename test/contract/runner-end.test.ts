import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { processesMarked } from '../../src/process/marker.ts';
import { INSTANCE_MARKER } from '../../src/protocol/messages.ts';
import { bundleRunner, RawChild, repository, writePlugin } from '../helpers/raw-child.ts';

const METHODS = `${repository}/test/fixtures/plugins/runner-methods/index.js`;
const HOSTILE = `${repository}/test/fixtures/plugins/runner-hostile/index.js`;
/** From the end of the channel to the end of the process. */
const END_MS = 2_000;
/** Markers are read from /proc, which other systems do not have. */
const linux = process.platform === 'linux';

let bundle: Awaited<ReturnType<typeof bundleRunner>>;
beforeAll(async () => void (bundle = await bundleRunner()));
afterAll(() => bundle[Symbol.asyncDispose]());

async function started(entry: string, options?: Parameters<typeof RawChild.runner>[1]): Promise<RawChild> {
  const child = RawChild.runner(bundle.runner, options);
  expect(await child.initialize(entry)).not.toHaveProperty('error');
  return child;
}

describe('$/drain', () => {
  test('is answered after the last running call; later ones are refused', async () => {
    await using child = await started(METHODS);
    const calls = [child.call('later', ['a', 60]), child.call('spin', [20]), child.call('later', ['b', 30])];
    await child.control('$/drain');
    expect(child.answers.slice(1, -1).map(({ id }) => id)).toEqual(expect.arrayContaining(calls.map(({ id }) => id)));
    expect(await child.call('echo', [1])).toMatchObject({ error: { code: -32603, message: 'the plugin has been drained' } });
    expect(await child.control('$/ping')).toHaveProperty('result');
  });

  test('is answered at once when nothing runs', async () => {
    await using child = await started(METHODS);
    expect(await child.control('$/drain')).toMatchObject({ result: null });
  });
});

describe('$/free', () => {
  const plugin = (free: string) =>
    writePlugin(`export default { async free() { console.log('freeing'); ${free} }, methods: {} };
    process.on('exit', () => console.log('exit listener'));`);

  test('runs free(), brings the last records over, and exits with 0', async () => {
    await using source = await plugin('await null;');
    await using child = await started(source.entry);
    expect(await child.control('$/free')).toMatchObject({ result: null });
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.logs.map(({ message }) => message)).toEqual(['freeing', 'exit listener']);
  });

  test('says what free() threw, and exits with 0 all the same', async () => {
    await using source = await plugin('throw new Error("disk full");');
    await using child = await started(source.entry);
    expect(await child.control('$/free')).toMatchObject({ error: { code: -32000, message: 'disk full' } });
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  test('cancels what still runs', async () => {
    await using child = await started(METHODS);
    const call = child.call('untilAborted');
    await vi.waitFor(() => expect(child.logs).toHaveLength(1));
    const free = child.control('$/free');
    expect(await call).toMatchObject({ error: { code: -32800 } });
    expect(await free).toMatchObject({ result: null });
  });

  test('before the plugin is ready just ends the process', async () => {
    await using child = RawChild.runner(bundle.runner);
    expect(await child.control('$/free')).toMatchObject({ result: null });
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  test('SIGTERM does the same', async () => {
    await using source = await plugin('');
    await using child = await started(source.entry);
    child.process.kill('SIGTERM');
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.logs[0]).toMatchObject({ message: 'freeing' });
  });
});

describe('when the channel is gone', () => {
  const endOf = async (child: RawChild) => {
    const since = performance.now();
    child.input.destroy();
    const exit = await child.exited;
    return { ...exit, ms: performance.now() - since };
  };

  test('running calls are cancelled, free() runs, the process ends', async () => {
    await using source = await writePlugin(`import { appendFileSync } from 'node:fs';
      const note = (text) => appendFileSync(new URL('./notes', import.meta.url), text + '\\n');
      export default { free() { note('freed'); }, methods: { hang() { this.signal.addEventListener('abort', () => note('aborted')); return new Promise(() => {}); } } };`);
    await using child = await started(source.entry);
    void child.call('hang');
    await child.control('$/ping');
    const { code, ms } = await endOf(child);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(END_MS);
    expect(await readFile(join(dirname(source.entry), 'notes'), 'utf8')).toBe('aborted\nfreed\n');
  });

  test.each([
    ['hangs', 'return new Promise(() => {});'],
    ['throws', 'throw new Error("no");'],
    ['leaves an unhandled rejection', 'Promise.reject(new Error("no")); return new Promise(() => {});'],
  ])('a free() that %s delays nothing', async (_, free) => {
    await using source = await writePlugin(`export default { free() { ${free} }, methods: {} };`);
    await using child = await started(source.entry);
    const { code, ms } = await endOf(child);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(END_MS);
  });

  test('a process that never got a plugin, and one that is in init, end as well', async () => {
    await using idle = RawChild.runner(bundle.runner);
    await idle.control('$/ping');
    expect((await endOf(idle)).ms).toBeLessThan(END_MS);
    await using source = await writePlugin('export default { init() { setInterval(() => {}, 1000); return new Promise(() => {}); }, methods: {} };');
    await using starting = RawChild.runner(bundle.runner);
    void starting.initialize(source.entry);
    await starting.control('$/ping');
    expect((await endOf(starting)).ms).toBeLessThan(END_MS);
  });

  test('its own group goes along', async () => {
    await using source = await writePlugin(`import { spawn } from 'node:child_process';
      export default { methods: { start: () => spawn('sleep', ['600'], { stdio: 'ignore' }).pid } };`);
    await using child = await started(source.entry, { detached: true });
    const { result: pid } = await child.call('start');
    expect(await endOf(child)).toMatchObject({ signal: 'SIGKILL' });
    await vi.waitFor(() => expect(() => process.kill(pid as number, 0)).toThrow('ESRCH'), { timeout: 5_000 });
  });

  test.runIf(linux)('whatever carries its marker goes along, whichever group it fled to', async () => {
    const marker = randomUUID();
    await using source = await writePlugin(`import { spawn } from 'node:child_process';
      export default { methods: { start() { for (const command of ['sleep 600', 'sleep 600 & sleep 600']) {
        const child = spawn('sh', ['-c', command], { stdio: 'ignore', detached: true });
        child.unref();
      } } } };`);
    await using child = await started(source.entry, { env: { [INSTANCE_MARKER]: marker } });
    await child.call('start');
    const marked = () => processesMarked((value) => value === marker);
    await vi.waitFor(async () => expect((await marked()).length).toBeGreaterThanOrEqual(4), { timeout: 10_000 });
    expect((await endOf(child)).ms).toBeLessThan(END_MS);
    await vi.waitFor(async () => expect(await marked()).toEqual([]), { timeout: 5_000 });
  });
});

describe('what the plugin does to its process', () => {
  test.each([
    ['throwsOutside', /^\[chameleon\] uncaught exception: Error: outside of a call\n {4}at /m],
    ['rejectsOutside', /^\[chameleon\] unhandled rejection: Error: nobody listens\n {4}at /m],
  ])('%s: it dies with exit code 1 and its reason on stderr', async (method, reason) => {
    await using child = await started(METHODS);
    void child.call(method);
    expect(await child.exited).toEqual({ code: 1, signal: null });
    expect(child.stderr).toMatch(reason);
  });

  test('process.exit() during a call ends it with that code, and its last words arrive', async () => {
    await using child = await started(METHODS);
    void child.call('exits', [3]);
    expect(await child.exited).toEqual({ code: 3, signal: null });
    expect(child.logs).toMatchObject([{ message: 'the last words' }]);
  });

  test('replacing process.exit, process.on, timers and console breaks nothing', async () => {
    await using child = await started(HOSTILE);
    expect(await child.call('later', [{ a: 1 }])).toMatchObject({ result: { a: 1 } });
    expect((await child.control('$/ping')).result).toMatchObject({ rssBytes: expect.any(Number) as number });
    expect(await child.control('$/free')).toMatchObject({ result: null });
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  test('nor does it outlive its channel, or an error of its own', async () => {
    await using orphan = await started(HOSTILE);
    orphan.input.destroy();
    expect(await orphan.exited).toEqual({ code: 0, signal: null });
    await using crashing = await started(HOSTILE);
    void crashing.call('crash');
    expect(await crashing.exited).toMatchObject({ code: 1 });
    expect(crashing.stderr).toMatch(/crashed on purpose/);
  });
});

test.runIf(linux)('processesMarked finds the living by their exact marker, and no zombies', async () => {
  const marker = randomUUID();
  const child = spawn('sleep', ['600'], { env: { A: '1', [INSTANCE_MARKER]: marker, [`X${INSTANCE_MARKER}`]: 'decoy' }, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await vi.waitFor(async () => expect(await processesMarked((value) => value === marker)).toMatchObject([{ pid: child.pid, marker }]));
  expect(await processesMarked((value) => value === marker.slice(1))).toEqual([]);
  child.kill('SIGKILL');
  await ended;
  expect(await processesMarked((value) => value === marker)).toEqual([]);
});
