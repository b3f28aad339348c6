/** SIGTERM, SIGINT and SIGHUP, with calls in flight, with a plugin that is stuck, once and twice. (F48, F49, F50) */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BYSTANDER, Outside } from '../helpers/outside.ts';
import { rounds } from '../helpers/rounds.ts';
import { DEMO, eventually, isAlive, release, requests, Workplace, type Started } from './run.ts';

/** By then a second signal is no echo of the first any more. */
const AFTER_ECHO_MS = 300;

let work: Workplace;
beforeEach(() => {
  work = new Workplace();
});
afterEach(release);

const call = (method: string, ...args: unknown[]): { op: string; params: object } => ({ op: 'call', params: { plugin: 'demo', method, args } });

async function statusOfDemo(): Promise<{ inFlight: number; pid: number }> {
  // Asked over a connection, since a command takes longer to start than the calls may take.
  const [answer] = await requests(work.socket, [{ op: 'status', params: { name: 'demo' } }]);
  return answer!.result as { inFlight: number; pid: number };
}

const inFlight = (count: number): Promise<void> => eventually(async () => expect(await statusOfDemo()).toMatchObject({ inFlight: count }));

async function supervise(options: object = {}): Promise<Started> {
  work.plugin('demo', '1.0.0', DEMO);
  work.plugin('bystander', '1.0.0', BYSTANDER);
  work.write('chameleon.config.json', { defaults: options });
  return work.start();
}

rounds('F48 SIGTERM with a hundred calls in flight: new ones are refused at once, those finish, exit 0', async (round) => {
  const ms = round.random.between(600, 1_000);
  const supervisor = await supervise({ concurrency: 100 });
  const check = await Outside.begin(round, supervisor.pid, work.socket);
  const running = requests(
    work.socket,
    Array.from({ length: 100 }, () => call('sleep', ms)),
  );
  await inFlight(100);
  await round.random.moment(0, 100);
  check.tell();
  supervisor.child.kill('SIGTERM');
  await eventually(() => expect(supervisor.stderr()).toContain('SIGTERM'));
  const began = performance.now();
  const [refused] = await requests(work.socket, [call('greet', 'late')]);
  expect(refused).toMatchObject({ error: { code: 'ERR_SUPERVISOR_CLOSED' } });
  expect(performance.now() - began).toBeLessThan(500);
  const answers = await running;
  expect(answers).toHaveLength(100);
  expect(answers.every(({ result }) => result === ms)).toBe(true);
  expect(await supervisor.ended).toMatchObject({ code: 0, signal: null });
  await check.expectGone();
});

rounds('F49 SIGTERM with a plugin that is stuck: it is stopped within its times, exit 0, nothing is left', async (round) => {
  const [drainTimeoutMs, stopTimeoutMs] = [round.random.between(200, 500), round.random.between(300, 500)];
  const supervisor = await supervise({ drainTimeoutMs, stopTimeoutMs, liveness: { timeoutMs: 60_000 } });
  const check = await Outside.begin(round, supervisor.pid, work.socket);
  const stuck = requests(work.socket, [call('spin')]);
  await inFlight(1);
  const { pid } = await statusOfDemo();
  await round.random.moment(0, 100);
  check.tell();
  const began = performance.now();
  supervisor.child.kill('SIGTERM');
  expect(await supervisor.ended).toMatchObject({ code: 0 });
  // What the two leave is a second for the end of the process itself.
  expect(performance.now() - began).toBeLessThan(drainTimeoutMs + stopTimeoutMs + 1_000);
  expect(isAlive(pid)).toBe(false);
  expect(await stuck).toMatchObject([{ error: { code: 'ERR_PLUGIN_CRASHED' } }]);
  await check.expectGone();
});

rounds('F50 a second SIGTERM or SIGINT stops within two seconds, exit 143 or 130, nothing is left', async (round) => {
  const signals = round.random.shuffled([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const);
  for (const [signal, exit] of signals) {
    const supervisor = await supervise({ drainTimeoutMs: 60_000, stopTimeoutMs: 60_000, liveness: { timeoutMs: 60_000 } });
    const check = await Outside.begin(round, supervisor.pid, work.socket);
    const stuck = requests(work.socket, [call('spin')]);
    await inFlight(1);
    const { pid } = await statusOfDemo();
    await round.random.moment(0, 100);
    check.tell();
    supervisor.child.kill(signal);
    await eventually(() => expect(supervisor.stderr()).toContain(signal));
    // One that comes at once is the echo of the first; a person is slower. A third one could meet a process that has begun to exit.
    await new Promise((resolve) => setTimeout(resolve, AFTER_ECHO_MS));
    const began = performance.now();
    supervisor.child.kill(signal);
    expect(await supervisor.ended).toMatchObject({ code: exit, stderr: expect.stringContaining(`${signal} again`) as string });
    expect(performance.now() - began).toBeLessThan(2_500);
    await eventually(() => expect(isAlive(pid)).toBe(false));
    await stuck;
    await check.expectGone();
  }
});

rounds('F50 SIGHUP re-reads the configuration, JSON or a module; a bad one changes nothing', async (round) => {
  work.plugin('demo', '1.0.0', DEMO);
  work.plugin('bystander', '1.0.0', BYSTANDER);
  // Of the fixed seeds some pick one, some the other.
  const file = round.random.pick(['chameleon.config.json', 'chameleon.config.mjs']);
  const write = (options: object): string =>
    work.write(file, (file.endsWith('.json') ? '' : 'export default ') + JSON.stringify({ plugins: { demo: options } }));
  const colours = round.random.shuffled(['red', 'green', 'blue']);
  write({ options: { colour: colours[0] } });
  const supervisor = await work.start();
  const check = await Outside.begin(round, supervisor.pid, work.socket);
  const options = async (): Promise<unknown> => (await check.client.call('demo', 'options'))?.result;
  expect(await options()).toEqual({ colour: colours[0] });

  for (const colour of colours.slice(1)) {
    write({ options: { colour } });
    supervisor.child.kill('SIGHUP');
    await eventually(async () => expect(await options()).toEqual({ colour }));
  }
  await eventually(() => expect(supervisor.stderr().match(/configuration re-read: demo changed/g)).toHaveLength(2));

  const { pid } = await statusOfDemo();
  const bad = round.random.pick(['concurrencyy', 'callTimeoutMss', 'drainTimeoutMss']);
  write({ [bad]: -1 });
  supervisor.child.kill('SIGHUP');
  await eventually(() => expect(supervisor.stderr()).toContain('nothing is changed'));
  expect(supervisor.stderr()).toContain(bad);
  expect(await options()).toEqual({ colour: colours[2] });
  expect((await statusOfDemo()).pid).toBe(pid);
  await check.expectServing();
});

test('an interrupt that arrives twice at once, as it does under npm, is one', async () => {
  const supervisor = await supervise();
  const running = requests(work.socket, [call('sleep', 500)]);
  await inFlight(1);
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

const HANGS = 'export default { init: () => new Promise(() => {}), methods: { a() {} } };';
const SPINS = 'export default { init() { for (;;); }, methods: { a() {} } };';

/** A start that takes a minute, and the pid of the plugin that takes it. */
async function starting(source: string): Promise<{ supervisor: Started; pid: number }> {
  work.plugin('demo', '1.0.0', source);
  work.write('chameleon.config.json', { defaults: { startTimeoutMs: 60_000 } });
  const supervisor = work.spawn(['start']);
  let pid: number | null = null;
  await eventually(async () => {
    const [answer] = await requests(work.socket, [{ op: 'status', params: { name: 'demo' } }]);
    const { versions } = answer!.result as { versions: { instances: { pid: number | null }[] }[] };
    pid = versions[0]!.instances[0]!.pid;
    expect(pid).not.toBeNull();
  });
  return { supervisor, pid: pid! };
}

test('a signal while a plugin starts ends that start at once, with exit 0 and no word of being ready', async () => {
  const { supervisor, pid } = await starting(HANGS);
  const at = performance.now();
  supervisor.child.kill('SIGTERM');
  expect(await supervisor.ended).toMatchObject({ code: 0, stdout: '' });
  expect(performance.now() - at).toBeLessThan(5_000);
  expect(isAlive(pid)).toBe(false);
});

test('a second signal while a plugin spins in its start leaves nothing of it', async () => {
  const { supervisor, pid } = await starting(SPINS);
  supervisor.child.kill('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 300));
  supervisor.child.kill('SIGTERM');
  expect([0, 143]).toContain((await supervisor.ended).code);
  await eventually(() => expect(isAlive(pid)).toBe(false));
});
