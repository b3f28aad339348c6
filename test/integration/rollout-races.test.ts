import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PluginOptions } from '../../src/index.ts';
import { putFiles, putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { beginVersions, putVersion, type Versions } from '../helpers/versions.ts';

const supervise = useSupervisors();
const roles = ({ supervisor }: Pick<Versions, 'supervisor'>): string[] =>
  supervisor.status('versioned').versions.map(({ version, role }) => `${version} ${role}`);

/** A version that takes its time: for a call of `take`, and for ever to be stopped when `isStubborn`. */
async function slow(folder: string, version: string, isStubborn = false): Promise<string> {
  return putFiles(join(folder, version), {
    'package.json': JSON.stringify({ name: 'versioned', version, type: 'module', main: 'index.js' }),
    'index.js': `
      export default {
        ${isStubborn ? 'free: () => new Promise(() => {}),' : ''}
        methods: {
          who: () => '${version}',
          ${isStubborn ? '' : 'take: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),'}
        },
      };`,
  });
}

describe('a rollout and what comes in between', () => {
  test('an instant rollback while the next one still looks at its release: that one replaces what is active then', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    await supervisor.load(await versions.put('2.0.0'));
    const rollout = supervisor.load(await versions.put('3.0.0'));
    while (supervisor.status('versioned').state !== 'switching') await new Promise(setImmediate);
    await supervisor.rollback('versioned');
    expect(await rollout).toMatchObject({ from: '1.0.0', to: '3.0.0' });
    expect(roles(versions).filter((role) => !role.includes('leaving'))).toEqual(['3.0.0 active', '1.0.0 held']);
  });

  test('a rollback from within the event that tells of the switch is instant, too', async () => {
    const versions = await beginVersions(supervise);
    const { supervisor } = versions;
    const { pid } = supervisor.status('versioned');
    const rollbacks: Promise<unknown>[] = [];
    supervisor.on('event', (event) => {
      if (event.kind === 'rollout-phase' && event.phase === 'holding') rollbacks.push(supervisor.rollback('versioned'));
    });
    await supervisor.load(await versions.put('2.0.0'));
    await Promise.all(rollbacks);
    expect(supervisor.status('versioned')).toMatchObject({ version: '1.0.0', pid });
  });

  test('a rollback goes through no canary and no shadow: that version has served before', async () => {
    const rollout = { holdMs: 0, canary: { percent: 10, forMs: 600_000 }, shadow: { percent: 10 } };
    const versions = await beginVersions(supervise, { rollout });
    await versions.supervisor.load(await versions.put('2.0.0'), { rollout: { canary: { steps: [{ percent: 50, forMs: 0 }] } } });
    expect((await versions.supervisor.rollback('versioned')).phases.map(({ name }) => name)).toEqual(['preparing', 'probing']);
  });

  test('a new version that cannot be started again is taken back, although it did not crash', async () => {
    const folder = await supervise.tempDir();
    const down = join(folder, 'down');
    const options: PluginOptions = {
      options: { down, atStart: 'throw' },
      restart: { maxRestarts: 0 },
      maxCalls: 1,
      rollout: { strategy: 'exclusive' },
    };
    const { supervisor, events } = await supervise({ defaults: options });
    for (const version of ['1.0.0', '2.0.0']) await supervisor.load(await putFixture(folder, 'upstream', { version }));
    await writeFile(down, '');
    await supervisor.call('upstream', 'pid');
    await until('it is taken back', () => supervisor.status('upstream').version === '1.0.0');
    await rm(down);
    expect(await supervisor.call('upstream', 'echo', [1])).toBe(1);
    expect(events.flatMap((event) => (event.kind === 'rolled-back' ? [event.result.reason] : []))).toEqual(['crashed']);
  });

  test('closing waits for a candidate that is being given up', async () => {
    const folder = await supervise.tempDir();
    const { supervisor } = await supervise({ defaults: { stopTimeoutMs: 1_500 } });
    await supervisor.load(await slow(folder, '1.0.0'));
    const rollout = rejection(supervisor.load(await slow(folder, '2.0.0', true)));
    await until('it is given up', () =>
      supervisor.status('versioned').versions.some(({ version, state }) => version === '2.0.0' && state === 'draining'),
    );
    await supervisor.close();
    expect(await ourChildren()).toEqual([]);
    expect(await rollout).toMatchObject({ cause: { code: 'ERR_CONTRACT' } });
  });
});

describe('unload', () => {
  test('resolves when the held version is gone, too', async () => {
    const folder = await supervise.tempDir();
    const { supervisor } = await supervise();
    await supervisor.load(await slow(folder, '1.0.0'));
    const long = supervisor.call('versioned', 'take', [700]);
    await supervisor.load(await slow(folder, '2.0.0'));
    await supervisor.unload('versioned');
    expect(await ourChildren()).toEqual([]);
    await long;
  });

  test('resolves when the version that was given up for the held one is gone', async () => {
    const versions = await beginVersions(supervise);
    await versions.supervisor.load(await versions.put('2.0.0'));
    await versions.supervisor.unload('versioned', { version: '2.0.0' });
    expect(roles(versions)).toEqual(['1.0.0 active']);
    expect(await ourChildren()).toHaveLength(1);
  });

  test('of a pinned version leaves the hold as it is', async () => {
    const folder = await supervise.tempDir();
    for (const version of ['1.0.0', '2.0.0']) await putVersion(folder, version);
    const { supervisor } = await supervise({ pluginDir: folder, defaults: { pin: ['1.0.0'] } });
    await putVersion(folder, '3.0.0');
    await supervisor.reconfigure({ pluginDir: folder, defaults: {} });
    expect(roles({ supervisor })).toEqual(['3.0.0 active', '2.0.0 held']);
  });
});
