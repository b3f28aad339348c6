import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSupervisor } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { putVersion } from '../helpers/versions.ts';

const supervise = useSupervisors();

describe('what happens to a plugin folder at the same time', () => {
  test('two reconfigurations start a new plugin once, and one watch', async () => {
    const pluginDir = await supervise.tempDir();
    const supervisor = supervise.own(await createSupervisor({ pluginDir }));
    await putVersion(pluginDir, '1.0.0');
    await Promise.all([supervisor.reconfigure({ pluginDir, watch: true }), supervisor.reconfigure({ pluginDir, watch: true })]);
    expect(await ourChildren()).toHaveLength(1);
    await supervisor.close();
    expect(await ourChildren()).toEqual([]);
    expect(process.getActiveResourcesInfo().filter((resource) => resource.startsWith('FSEvent'))).toEqual([]);
  });

  test('closing ends a canary that the watch has begun', async () => {
    const pluginDir = await supervise.tempDir();
    await putVersion(pluginDir, '1.0.0');
    const canary = { percent: 10, forMs: 600_000 };
    const supervisor = supervise.own(await createSupervisor({ pluginDir, watch: true, defaults: { rollout: { canary } } }));
    await rename(await putVersion(await supervise.tempDir(), '2.0.0'), join(pluginDir, 'versioned/2.0.0'));
    await until('it is tried', () => supervisor.status('versioned').rollout?.phase === 'canary');
    await supervisor.close();
    expect(await ourChildren()).toEqual([]);
  });

  test('a version that a call asks for while its plugin is unloaded is not started', async () => {
    const folder = await supervise.tempDir();
    for (const version of ['1.0.0', '2.0.0']) await putVersion(folder, version);
    const { supervisor } = await supervise({ pluginDir: folder, defaults: { onDemand: true } });
    const call = rejection(supervisor.call('versioned@1.0.0', 'who'));
    await supervisor.unload('versioned');
    expect(await call).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE' });
    expect(supervisor.status().plugins).toEqual([]);
    expect(await ourChildren()).toEqual([]);
  });

  test('a broken version that calls ask for is not started again by each of them', async () => {
    const folder = await supervise.tempDir();
    await putVersion(folder, '2.0.0');
    await putVersion(folder, '1.0.0', { initThrows: true });
    const { supervisor, events } = await supervise({ pluginDir: folder, defaults: { onDemand: true, restart: { maxRestarts: 0 } } });
    for (let i = 0; i < 4; i++) await rejection(supervisor.call('versioned@1.0.0', 'who'));
    expect(events.filter((event) => event.kind === 'instance-starting' && event.version === '1.0.0')).toHaveLength(1);
    expect(await rejection(supervisor.call('versioned@1.0.0', 'who'))).toMatchObject({ code: 'ERR_PLUGIN_UNAVAILABLE', state: 'failed' });
    expect(supervisor.status('versioned').versions).toHaveLength(2);
    await supervisor.unload('versioned', { version: '1.0.0' });
    await putVersion(folder, '1.0.0');
    expect(await supervisor.call('versioned@1.0.0', 'who')).toBe('1.0.0');
  });

  test('a supervisor that could not start has let go of its state', async () => {
    const [pluginDir, stateDir] = [await supervise.tempDir(), await supervise.tempDir()];
    await rejection(createSupervisor({ pluginDir: join(pluginDir, 'nowhere'), stateDir }));
    const second = supervise.own(await createSupervisor({ pluginDir, stateDir }));
    expect(second.status().state).toBe('running');
  });
});
