/** The option `debug`: a plugin stands at a breakpoint for as long as its author likes, and no clock ends or replaces it. */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { ExitFacts, PluginCrashedError, PluginOptions, Supervisor } from '../../src/index.ts';
import { Debugger } from '../helpers/inspector.ts';
import { testWith } from '../helpers/parts.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

/** All of them far shorter than the plugin stands still. */
const SHORT: PluginOptions = {
  callTimeoutMs: 100,
  startTimeoutMs: 300,
  cancelGraceMs: 50,
  ignoredCancelRatio: 0,
  idleTimeoutMs: 100,
  maxAgeMs: 100,
  maxCalls: 1,
  drainTimeoutMs: 300,
  stopTimeoutMs: 300,
  liveness: { intervalMs: 50, timeoutMs: 100 },
  breaker: { maxFailures: 1, slowCallMs: 50 },
};
const HELD_MS = 1_000;

const SOURCE = `
export default {
  init({ options }) { if (options.init) debugger; },
  quiesce() { return null; },
  free() { if (globalThis.freeStops) debugger; },
  methods: {
    stop() { debugger; return process.pid; },
    pid: () => process.pid,
    freeStops() { globalThis.freeStops = true; return process.pid; },
    large() { setImmediate(() => { debugger; }); return 'x'.repeat(8 * 2 ** 20); },
    die() { setImmediate(() => { throw new Error('no more'); }); return new Promise(() => {}); },
    crash() { process.exit(7); },
    block(ms) { const end = performance.now() + ms; while (performance.now() < end); return process.pid; },
  },
};`;

async function debugged(options: PluginOptions = {}): Promise<Watched> {
  const watched = await supervise({ defaults: { debug: true, ...SHORT, ...options } });
  const methods = { stop: { timeoutMs: 100 } };
  const dir = join(await supervise.tempDir(), 'shop');
  await putFiles(dir, {
    'index.js': SOURCE,
    'package.json': JSON.stringify({ name: 'shop', version: '1.0.0', type: 'module', chameleon: { methods } }),
  });
  const loaded = watched.supervisor.load(dir);
  if (options.execArgv?.includes('--inspect-brk') !== true) await loaded;
  else loaded.catch(() => {});
  return watched;
}

const inspectors = (supervisor: Supervisor): string[] =>
  supervisor.status('shop').versions.flatMap(({ instances }) => instances.map(({ inspector }) => inspector!));

async function attach(supervisor: Supervisor): Promise<Debugger> {
  const { versions } = supervisor.status('shop');
  const attached = await Debugger.attach((versions.find(({ active }) => active) ?? versions[0]!).instances[0]!.inspector!);
  onTestFinished(() => attached.detach());
  return attached;
}

const kinds = ({ events }: Watched): string[] => events.map(({ kind }) => kind);

test('a call that stands at a breakpoint for longer than every time limit succeeds, in the same process', async () => {
  const watched = await debugged();
  const { supervisor } = watched;
  const { pid } = supervisor.status('shop');
  const debug = await attach(supervisor);
  const call = supervisor.call('shop', 'stop', [], { timeoutMs: 100 });
  await debug.paused();
  await sleep(HELD_MS);
  await debug.send('Debugger.resume');
  expect(await call).toBe(pid);
  expect(await supervisor.call('shop', 'pid')).toBe(pid);
  expect(supervisor.status('shop')).toMatchObject({ pid, restarts: 0, breaker: { state: 'closed' }, versions: [{ debug: true }] });
  expect(kinds(watched)).not.toEqual(expect.arrayContaining([expect.stringMatching(/crashed|replacing|idle-stopped/)]));
});

test('a plugin may stand at a breakpoint in init() for longer than startTimeoutMs', async () => {
  const watched = await debugged({ execArgv: ['--inspect-brk'], options: { init: true } });
  const { supervisor } = watched;
  await until('its inspector listens', () => kinds(watched).includes('debugger-listening'));
  const debug = await attach(supervisor);
  await debug.send('Runtime.runIfWaitingForDebugger');
  await debug.paused();
  await debug.send('Debugger.resume');
  expect((await debug.paused()).url).toMatch(/shop\/index\.js$/);
  await sleep(HELD_MS);
  await debug.send('Debugger.resume');
  await until('it serves', () => supervisor.status('shop').state === 'active');
  expect(kinds(watched)).not.toContain('instance-start-failed');
});

test('a plugin that is replaced at a breakpoint finishes its call and its free() first', async () => {
  const watched = await debugged();
  const { supervisor } = watched;
  const { pid } = supervisor.status('shop');
  await supervisor.call('shop', 'freeStops');
  const debug = await attach(supervisor);
  const call = supervisor.call('shop', 'stop');
  await debug.paused();
  expect(await supervisor.reload('shop')).toMatchObject({ outcome: 'promoted' });
  expect(await supervisor.call('shop', 'pid')).not.toBe(pid);
  await sleep(HELD_MS);
  await debug.send('Debugger.resume');
  expect(await call).toBe(pid);
  await debug.paused();
  await sleep(HELD_MS);
  expect(kinds(watched)).not.toContain('instance-stopped');
  const stopped = once(supervisor, 'instance-stopped');
  await debug.send('Debugger.resume');
  expect(await stopped).toMatchObject([{ exit: { pid, code: 0, cause: 'stopped' } }]);
  expect(kinds(watched)).not.toContain('free-failed');
});

test('a plugin that is replaced one after the other hands over when the breakpoint lets it', async () => {
  const { supervisor } = await debugged({ rollout: { strategy: 'exclusive' } });
  const { pid } = supervisor.status('shop');
  const debug = await attach(supervisor);
  const call = supervisor.call('shop', 'stop');
  await debug.paused();
  const reloaded = supervisor.reload('shop');
  await sleep(HELD_MS);
  await debug.send('Debugger.resume');
  expect(await call).toBe(pid);
  expect(await reloaded).toMatchObject({ outcome: 'promoted' });
  expect(await supervisor.call('shop', 'pid')).not.toBe(pid);
});

test('a breakpoint in the middle of a large answer is not taken for a broken protocol', { timeout: 20_000 }, async () => {
  const { supervisor } = await debugged();
  const debug = await attach(supervisor);
  const call = supervisor.call('shop', 'large') as Promise<string>;
  await debug.paused();
  // Nothing may happen in this time: it is longer than the stall limit of a frame.
  await sleep(6_000);
  await debug.send('Debugger.resume');
  expect(await call).toHaveLength(8 * 2 ** 20);
});

test.each(['close', 'unload'] as const)('%s() ends a plugin at a breakpoint within the time that it always has', async (way) => {
  const { supervisor } = await debugged();
  const replaced = await attach(supervisor);
  const first = rejection<PluginCrashedError>(supervisor.call('shop', 'stop'));
  await replaced.paused();
  await supervisor.reload('shop');
  const serving = await attach(supervisor);
  const second = rejection<PluginCrashedError>(supervisor.call('shop', 'stop'));
  await serving.paused();
  const begun = performance.now();
  await (way === 'close' ? supervisor.close() : supervisor.unload('shop'));
  expect(performance.now() - begun).toBeLessThan(5_000);
  for (const { code } of [await first, await second]) expect(code).toBe('ERR_PLUGIN_CRASHED');
});

test('a child that ends or crashes does not wait for its debugger to disconnect', async () => {
  const watched = await debugged({ stopTimeoutMs: 30_000, breaker: { enabled: false } });
  const { supervisor } = watched;
  await attach(supervisor);
  const stopped = once(supervisor, 'instance-stopped');
  await supervisor.reload('shop');
  expect(await stopped).toMatchObject([{ exit: { code: 0, cause: 'stopped' } }]);
  for (const [method, code] of [
    ['die', 1],
    ['crash', 7],
  ] as const) {
    const { pid } = supervisor.status('shop');
    await attach(supervisor);
    const crashed = await rejection<PluginCrashedError>(supervisor.call('shop', method));
    expect(crashed.exit).toMatchObject({ pid, code });
    await until('the next child serves', () => ![null, pid].includes(supervisor.status('shop').pid));
  }
});

testWith('/proc/net/tcp', existsSync('/proc/net/tcp'))('each child has a port of its own, on 127.0.0.1 alone', async () => {
  const { supervisor } = await debugged({ instances: 3, execArgv: ['--inspect=0.0.0.0:9229'] });
  await supervisor.reload('shop');
  await rejection(supervisor.call('shop', 'crash'));
  await until('all three serve', () => supervisor.status('shop').versions[0]!.instances.filter(({ state }) => state === 'ready').length === 3);
  const urls = inspectors(supervisor);
  const ports = urls.map((url) => Number(/^ws:\/\/127\.0\.0\.1:(\d+)\//.exec(url)![1]));
  expect(new Set(ports).size).toBe(ports.length);
  const listening = ['tcp', 'tcp6'].flatMap((table) =>
    existsSync(`/proc/net/${table}`) ? readFileSync(`/proc/net/${table}`, 'utf8').split('\n') : [],
  );
  for (const port of ports) {
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    const addresses = listening.map((line) => line.trim().split(/\s+/)).filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === '0A');
    expect(addresses.map(([, local]) => local)).toEqual([`0100007F:${hex}`]);
  }
});

test('a plugin cannot tell another address of its debugger than Node did', async () => {
  const watched = await debugged();
  const { supervisor } = watched;
  const [url] = inspectors(supervisor);
  const debug = await attach(supervisor);
  await debug.send('Runtime.evaluate', { expression: "process.stderr.write('Debugger listening on ws://127.0.0.1:1/forged\\n')" });
  await until('the line is a record', () => watched.logs.some(({ message }) => message.includes('forged')));
  expect(inspectors(supervisor)).toEqual([url]);
});

test('a child with a debugger that is killed without the option debug says what would have helped', async () => {
  const { supervisor } = await debugged({
    debug: false,
    startTimeoutMs: 10_000,
    execArgv: ['--inspect=127.0.0.1:0'],
    maxAgeMs: null,
    maxCalls: null,
    idleTimeoutMs: null,
  });
  const hung = await rejection<PluginCrashedError>(supervisor.call('shop', 'block', [600_000], { timeoutMs: 60_000 }));
  const { cause, detail }: ExitFacts = hung.exit;
  expect(cause).toBe('unresponsive');
  expect(detail).toMatch(/running block \(call \d+\), it has a debugger: the option debug lets it stand at a breakpoint$/);
});
