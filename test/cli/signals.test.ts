/** SIGTERM, SIGINT and SIGHUP, with calls in flight, with a plugin that is stuck, once and twice. (F48, F49, F50) */
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEMO, eventually, isAlive, release, requests, Workplace, type Started } from './run.ts';

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
});
afterEach(release);

const call = (method: string, ...args: unknown[]): { op: string; params: object } => ({ op: 'call', params: { plugin: 'demo', method, args } });
const inFlight = async (): Promise<number> => ((await work.json(['status', 'demo'])) as { inFlight: number }).inFlight;
const pluginPid = async (): Promise<number> => ((await work.json(['status', 'demo'])) as { pid: number }).pid;

/** Processes of this supervisor's plugins, by the marker in their environment. */
function survivors(supervisor: Started): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`CHAMELEON_INSTANCE=${supervisor.pid}-`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function supervise(options: object = {}): Promise<Started> {
  work.plugin('demo', '1.0.0', DEMO);
  work.write('chameleon.config.json', { defaults: options });
  return work.start();
}

test('F48: with a hundred calls in flight, new ones are refused at once, those finish, exit 0', async () => {
  const supervisor = await supervise({ concurrency: 100 });
  const running = requests(
    work.socket,
    Array.from({ length: 100 }, () => call('sleep', 1_000)),
  );
  // Asked over one connection each, since a command takes longer to start than the calls may take.
  await eventually(async () => {
    const [answer] = await requests(work.socket, [{ op: 'status', params: { name: 'demo' } }]);
    expect(answer!.result).toMatchObject({ inFlight: 100 });
  });
  supervisor.child.kill('SIGTERM');
  await eventually(() => expect(supervisor.stderr()).toContain('SIGTERM'));
  const began = performance.now();
  const [refused] = await requests(work.socket, [call('greet', 'late')]);
  expect(refused).toMatchObject({ error: { code: 'ERR_SUPERVISOR_CLOSED' } });
  expect(performance.now() - began).toBeLessThan(500);
  const answers = await running;
  expect(answers).toHaveLength(100);
  expect(answers.every(({ result }) => result === 1_000)).toBe(true);
  expect(await supervisor.ended).toMatchObject({ code: 0, signal: null });
  expect(survivors(supervisor)).toEqual([]);
});

test('F49: a plugin that is stuck is stopped within its times, exit 0, nothing is left', async () => {
  const supervisor = await supervise({ drainTimeoutMs: 500, stopTimeoutMs: 500, liveness: { timeoutMs: 60_000 } });
  const stuck = work.spawn(['call', 'demo', 'spin', '--json']);
  await eventually(async () => expect(await inFlight()).toBe(1));
  const child = await pluginPid();
  const began = performance.now();
  supervisor.child.kill('SIGTERM');
  expect(await supervisor.ended).toMatchObject({ code: 0 });
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(isAlive(child)).toBe(false);
  expect(survivors(supervisor)).toEqual([]);
  expect((await stuck.ended).code).toBe(1);
});

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('F50: a second %s stops within two seconds, exit %i, nothing is left', async (signal, exit) => {
  const supervisor = await supervise({ drainTimeoutMs: 60_000, stopTimeoutMs: 60_000, liveness: { timeoutMs: 60_000 } });
  void work.run(['call', 'demo', 'spin']);
  await eventually(async () => expect(await inFlight()).toBe(1));
  const child = await pluginPid();
  supervisor.child.kill(signal);
  await eventually(() => expect(supervisor.stderr()).toContain(signal));
  const began = performance.now();
  // One that comes at once is the echo of the first; a person is slower.
  await eventually(() => {
    supervisor.child.kill(signal);
    expect(supervisor.stderr()).toContain(`${signal} again`);
  });
  expect(await supervisor.ended).toMatchObject({ code: exit });
  expect(performance.now() - began).toBeLessThan(2_500);
  await eventually(() => expect(isAlive(child)).toBe(false));
  await eventually(() => expect(survivors(supervisor)).toEqual([]));
});

test('an interrupt that arrives twice at once, as it does under npm, is one', async () => {
  const supervisor = await supervise();
  const running = requests(work.socket, [call('sleep', 500)]);
  await eventually(async () => {
    const [answer] = await requests(work.socket, [{ op: 'status', params: { name: 'demo' } }]);
    expect(answer!.result).toMatchObject({ inFlight: 1 });
  });
  supervisor.child.kill('SIGINT');
  supervisor.child.kill('SIGINT');
  expect(await running).toMatchObject([{ result: 500 }]);
  expect(await supervisor.ended).toMatchObject({ code: 0 });
});

test('a follower of the log sees the end, and ends with exit 0', async () => {
  const supervisor = await supervise();
  const following = work.spawn(['logs', '-f']);
  await eventually(() => expect(following.stdout()).not.toBe(''));
  supervisor.child.kill('SIGTERM');
  expect(await following.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('SIGTERM') });
  await supervisor.ended;
});

test.each(['chameleon.config.json', 'chameleon.config.mjs'])('F50: SIGHUP re-reads %s; a bad one changes nothing', async (file) => {
  const content = (options: object): string => (file.endsWith('.json') ? '' : 'export default ') + JSON.stringify(options);
  work.plugin('demo', '1.0.0', DEMO);
  work.write(file, content({ plugins: { demo: { options: { colour: 'red' } } } }));
  const supervisor = await work.start();
  expect(await work.json(['call', 'demo', 'options'])).toEqual({ colour: 'red' });

  work.write(file, content({ plugins: { demo: { options: { colour: 'green' } } } }));
  supervisor.child.kill('SIGHUP');
  await eventually(async () => expect(await work.json(['call', 'demo', 'options'])).toEqual({ colour: 'green' }));
  await eventually(() => expect(supervisor.stderr()).toContain('configuration re-read: demo changed'));

  const pid = await pluginPid();
  work.write(file, content({ plugins: { demo: { concurrencyy: -1 } } }));
  supervisor.child.kill('SIGHUP');
  await eventually(() => expect(supervisor.stderr()).toContain('nothing is changed'));
  expect(supervisor.stderr()).toContain('concurrencyy');
  expect(await work.json(['call', 'demo', 'options'])).toEqual({ colour: 'green' });
  expect(await pluginPid()).toBe(pid);
});
