/** A child of an exclusive plugin that is replaced in place: it hands over and is gone before the next one starts, whatever the reason. */
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { ReplaceReason } from '../../src/events.ts';
import type { PluginOptions, StartFailedError } from '../../src/index.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { beginVersions, Traffic, type Behaviour } from '../helpers/versions.ts';

const supervise = useSupervisors();

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

test.each<[ReplaceReason, PluginOptions, Behaviour]>([
  ['max-calls', { maxCalls: 10 }, {}],
  ['max-age', { maxAgeMs: 400 }, {}],
  ['cancel-ignored', { cancelGraceMs: 20, concurrency: 8, ignoredCancelRatio: 0 }, { hangsAt: 20 }],
  ['max-calls', { maxCalls: 10 }, { hands: false }],
  ['memory-limit', { memoryLimitBytes: 200 * 2 ** 20, liveness: { intervalMs: 50 } }, { leakBytes: 2 ** 18, slowMs: 10 }],
])('%s %o replaces the owner of a lock, one after the other: %o', async (reason, options, behaviour) => {
  const lock = join(await supervise.tempDir(), 'lock');
  const rollout: PluginOptions['rollout'] = { strategy: 'exclusive' };
  const versions = await beginVersions(supervise, { options: { lock }, rollout, breaker: { enabled: false }, ...options }, behaviour);
  const { supervisor, events } = versions;
  const traffic = new Traffic(() => supervisor.call('versioned', 'once', [], { timeoutMs: behaviour.hangsAt === undefined ? 20_000 : 300 }));
  const replaced = () => events.filter(({ kind }) => kind === 'instance-replacing');
  await until('it is replaced several times', () => replaced().length >= 3, 20_000);
  await traffic.stop();
  // Those that hang are given up, and no others.
  if (behaviour.hangsAt === undefined) expect(traffic.errors).toEqual([]);
  expect(replaced()[0]).toMatchObject({ reason });
  // A second owner beside the first one would not have started.
  expect(events.filter(({ kind }) => ['instance-start-failed', 'restart-scheduled', 'plugin-failed'].includes(kind))).toEqual([]);
  await until('an owner is there', () => supervisor.status('versioned').pid !== null);
  if (behaviour.hands !== false)
    expect(await supervisor.call('versioned', 'state')).toMatchObject({ from: '1.0.0', count: expect.any(Number) as number });
  expect(supervisor.status('versioned')).toMatchObject({ restarts: 0 });
});

test('a child that does not let go serves on', async () => {
  const versions = await beginVersions(supervise, { rollout: { strategy: 'exclusive' }, maxCalls: 3 }, { keeps: true });
  const { supervisor } = versions;
  const { pid } = supervisor.status('versioned');
  for (let i = 0; i < 10; i++) expect(await supervisor.call('versioned', 'once')).toBe('1.0.0');
  expect(supervisor.status('versioned')).toMatchObject({ pid, restarts: 0 });
});

test('a rollout that comes in the middle of a replacement has the state that was handed over', async () => {
  const lock = join(await supervise.tempDir(), 'lock');
  const versions = await beginVersions(supervise, { options: { lock }, rollout: { strategy: 'exclusive' }, maxCalls: 5 });
  const { supervisor, events } = versions;
  for (let i = 0; i < 5; i++) await supervisor.call('versioned', 'once');
  await until('it is being replaced', () => events.some(({ kind }) => kind === 'instance-replacing'));
  await supervisor.load(await versions.put('2.0.0'));
  expect(await supervisor.call('versioned', 'state')).toEqual({ from: '1.0.0', count: 5 });
});

test('the example of the guide keeps its port and its count, with clients that keep their connections', async () => {
  const guide = readFileSync(resolve(import.meta.dirname, '../../docs/guide.md'), 'utf8');
  const example = /### Exclusive[^]*?```js\n([^]*?)```/.exec(guide)![1]!;
  const dir = await putFiles(join(await supervise.tempDir(), 'port'), {
    'package.json': JSON.stringify({ name: 'port', version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': example,
  });
  const port = await freePort();
  const options: PluginOptions = { options: { port }, maxCalls: 5, rollout: { strategy: 'exclusive' } };
  const { supervisor, events } = await supervise({ defaults: options });
  await supervisor.load(dir);
  const agent = new Agent({ keepAlive: true });
  const visit = (): Promise<number> =>
    new Promise((done, fail) => {
      get({ port, agent }, (response) => {
        response.setEncoding('utf8').once('data', (text) => done(Number(text)));
      }).once('error', fail);
    });
  expect(await visit()).toBe(1);
  for (let i = 0; i < 12; i++) expect(await supervisor.call('port', 'seen')).toBe(1);
  await until('it was replaced', () => events.filter(({ kind }) => kind === 'instance-stopped').length >= 2);
  await until('the next one is there', () => supervisor.status('port').pid !== null);
  expect(await visit()).toBe(2);
  agent.destroy();
  expect(events.filter(({ kind }) => kind === 'instance-start-failed')).toEqual([]);
});

test('a port that is taken is told with the strategy that is meant for it', async () => {
  const taken = createServer().listen(0);
  const { port } = taken.address() as AddressInfo;
  const dir = await putFiles(join(await supervise.tempDir(), 'port'), {
    'package.json': JSON.stringify({ name: 'port', version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': `import { createServer } from 'node:net'; import { once } from 'node:events';
      export default { init: ({ options }) => once(createServer().listen(options.port), 'listening'), methods: { a() {} } };`,
  });
  const { supervisor } = await supervise();
  const error = await rejection<StartFailedError>(supervisor.load(dir, { options: { options: { port } } }));
  expect(error.hint).toMatch(/rollout\.strategy to 'exclusive'/);
  await new Promise((done) => taken.close(done));
});
