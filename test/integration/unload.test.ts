/** How plugins go: one version, or all of a plugin. */
import { expect, test } from 'vitest';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

async function threeVersions() {
  const folder = await supervise.tempDir();
  for (const version of ['1.0.0', '1.2.0', '2.0.0']) await putFixture(folder, 'polite', { version });
  return supervise({ pluginDir: folder, defaults: { pin: ['1.0.0', '1.2.0'] } });
}

test('a plugin finishes its calls, and is gone with its last child', async () => {
  const { supervisor, events } = await supervise.fixture('polite');
  const running = supervisor.call('polite', 'sleep', [300]);
  await until('it runs', () => supervisor.status('polite').inFlight === 1);
  const unloading = supervisor.unload('polite');
  await until('it takes no more calls', () => supervisor.status('polite').state === 'empty');
  const refused = await rejection(supervisor.call('polite', 'echo', [1]));
  expect(refused).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', state: 'empty' });
  await unloading;
  expect(await running).toBe(300);
  expect(supervisor.status().plugins).toEqual([]);
  expect(await ourChildren()).toEqual([]);
  expect(await rejection(supervisor.call('polite', 'echo', [1]))).toMatchObject({ code: 'ERR_PLUGIN_NOT_FOUND' });
  expect(events.filter(({ kind }) => kind === 'plugin-unloaded')).toMatchObject([{ plugin: 'polite', version: '1.0.0' }]);
});

test('all versions of a plugin go at once', async () => {
  const { supervisor } = await threeVersions();
  expect(await ourChildren()).toHaveLength(3);
  await supervisor.unload('polite');
  expect(await ourChildren()).toEqual([]);
});

test('without its active version, the highest that is left becomes active', async () => {
  const { supervisor } = await threeVersions();
  await supervisor.unload('polite', { version: '2.0.0' });
  expect(supervisor.status('polite')).toMatchObject({ version: '1.2.0', state: 'active' });
  expect(await supervisor.call('polite', 'who')).toMatchObject({ version: '1.2.0' });
  await supervisor.unload('polite', { version: '1.0.0' });
  expect(supervisor.status('polite').versions.map(({ version }) => version)).toEqual(['1.2.0']);
  expect(await rejection(supervisor.call('polite@1.0.0', 'who'))).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND', available: ['1.2.0'] });
});

test('calls that waited for the version that leaves are answered by the one that follows it', async () => {
  const folder = await supervise.tempDir();
  for (const version of ['1.0.0', '2.0.0']) await putFixture(folder, 'polite', { version });
  const { supervisor } = await supervise({ pluginDir: folder, defaults: { pin: ['1.0.0'], concurrency: 1 } });
  const running = supervisor.call('polite', 'sleep', [400]);
  const waiting = supervisor.call('polite', 'who');
  await supervisor.unload('polite', { version: '2.0.0' });
  expect(await waiting).toMatchObject({ version: '1.0.0' });
  expect(await running).toBe(400);
});

test('what is not there is refused by name', async () => {
  const { supervisor } = await supervise.fixture('polite');
  expect(await rejection(supervisor.unload('nobody'))).toMatchObject({ code: 'ERR_PLUGIN_NOT_FOUND' });
  expect(await rejection(supervisor.unload('polite', { version: '9.9.9' }))).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND', available: ['1.0.0'] });
  expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
});
