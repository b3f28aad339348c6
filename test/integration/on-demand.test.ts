import { describe, expect, test } from 'vitest';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { putVersion } from '../helpers/versions.ts';

const supervise = useSupervisors();

async function begin(options: object): Promise<Watched & { folder: string }> {
  const folder = await supervise.tempDir();
  for (const version of ['1.0.0', '1.1.0', '2.0.0', '3.0.0-beta.1']) await putVersion(folder, version);
  return { ...(await supervise({ pluginDir: folder, defaults: options })), folder };
}

describe('versions side by side', () => {
  test('of those that run the highest in the range has the call; those that are pinned run, and no others', async () => {
    const { supervisor } = await begin({ pin: ['1.0.0', '^1'] });
    expect(supervisor.status('versioned').versions.map(({ version, role }) => `${version} ${role}`)).toEqual([
      '2.0.0 active',
      '1.0.0 pinned',
      '1.1.0 pinned',
    ]);
    expect(await supervisor.call('versioned', 'who')).toBe('2.0.0');
    expect(await supervisor.call('versioned@^1', 'who')).toBe('1.1.0');
    expect(await supervisor.call('versioned@<=1.0.0', 'who')).toBe('1.0.0');
    expect(await rejection(supervisor.call('versioned@3.0.0-beta.1', 'who'))).toMatchObject({
      code: 'ERR_VERSION_NOT_FOUND',
      available: ['2.0.0', '1.0.0', '1.1.0'],
    });
  });
});

describe('with onDemand', () => {
  test('a call for a version that is installed and does not run starts it, once for all that ask', async () => {
    const { supervisor, events } = await begin({ onDemand: true });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => supervisor.call(i % 2 === 0 ? 'versioned@^1' : 'versioned@1.1.0', 'who')));
    expect(new Set(answers)).toEqual(new Set(['1.1.0']));
    expect(events.filter((event) => event.kind === 'instance-starting' && event.version === '1.1.0')).toHaveLength(1);
    expect(supervisor.status('versioned').versions.find(({ version }) => version === '1.1.0')).toMatchObject({ role: 'pinned' });
  });

  test('a version that runs goes before one that is only installed', async () => {
    const { supervisor } = await begin({ onDemand: true, version: '1.0.0' });
    expect(await supervisor.call('versioned@^1', 'who')).toBe('1.0.0');
  });

  test('a pre-release is started only when it is named', async () => {
    const { supervisor } = await begin({ onDemand: true });
    expect(await supervisor.call('versioned@>=3.0.0-beta', 'who')).toBe('3.0.0-beta.1');
    expect(await rejection(supervisor.call('versioned@>=4', 'who'))).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND' });
  });

  test('a version that was put there since is found, one that is not there is refused, and a deadline holds meanwhile', async () => {
    const { supervisor, folder } = await begin({ onDemand: true });
    await putVersion(folder, '1.2.0');
    expect(await supervisor.call('versioned@1.2.0', 'who')).toBe('1.2.0');
    expect(await rejection(supervisor.call('versioned@9', 'who'))).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND' });
    await putVersion(folder, '1.3.0', { initHangs: true });
    expect(await rejection(supervisor.call('versioned@1.3.0', 'who', [], { timeoutMs: 300 }))).toMatchObject({
      code: 'ERR_CALL_TIMEOUT',
      phase: 'queued',
    });
  });
});
