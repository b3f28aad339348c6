import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createSupervisor, type Supervisor } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { putVersion } from '../helpers/versions.ts';

const supervise = useSupervisors();

interface Home {
  pluginDir: string;
  stateDir: string;
  /** A supervisor that starts on what the one before left. */
  start(options?: object): Promise<Supervisor>;
}

async function home(...versions: string[]): Promise<Home> {
  const pluginDir = await supervise.tempDir();
  const stateDir = join(pluginDir, '.chameleon');
  for (const version of versions) await putVersion(pluginDir, version);
  return {
    pluginDir,
    stateDir,
    async start(options = {}) {
      return supervise.own(await createSupervisor({ pluginDir, stateDir, ...options }));
    },
  };
}

const active = (supervisor: Supervisor): Promise<unknown> => supervisor.call('versioned', 'who');

describe('a supervisor that was started again', () => {
  test('has the version active that an operator went back to, and can go back again', async () => {
    const { start } = await home('1.0.0', '2.0.0');
    const first = await start();
    expect(await active(first)).toBe('2.0.0');
    await first.load(first.status('versioned').dir!.replace('2.0.0', '1.0.0'));
    expect(await active(first)).toBe('1.0.0');
    await first.close();
    const second = await start();
    expect(await active(second)).toBe('1.0.0');
    expect((await second.rollback('versioned')).to).toBe('2.0.0');
    await second.close();
    const third = await start();
    expect(await active(third)).toBe('2.0.0');
  });

  test('does not go to a version again that has failed, but to one that has come since', async () => {
    const { pluginDir, start } = await home('1.0.0');
    const first = await start();
    await putVersion(pluginDir, '2.0.0', { initThrows: true });
    expect((await first.reconfigure({ pluginDir })).failed).toHaveLength(1);
    expect((await first.reconfigure({ pluginDir })).failed).toEqual([]);
    await first.close();
    const second = await start();
    expect(await active(second)).toBe('1.0.0');
    await second.close();
    await putVersion(pluginDir, '2.0.1');
    expect(await active(await start())).toBe('2.0.1');
  });

  test('runs those again that calls had asked for', async () => {
    const { start } = await home('1.0.0', '2.0.0');
    const first = await start({ defaults: { onDemand: true } });
    expect(await first.call('versioned@1', 'who')).toBe('1.0.0');
    await first.close();
    const second = await start();
    expect(second.status('versioned').versions.map(({ version, role }) => `${version} ${role}`)).toEqual(['2.0.0 active', '1.0.0 pinned']);
  });

  test('knows it also after a kill -9 at the moment that load() was answered', async () => {
    const { pluginDir, stateDir, start } = await home('1.0.0', '2.0.0');
    const library = pathToFileURL(resolve(import.meta.dirname, '../../src/index.ts')).href;
    const program = `
      const { createSupervisor } = await import(${JSON.stringify(library)});
      const supervisor = await createSupervisor(${JSON.stringify({ pluginDir, stateDir })});
      await supervisor.load(${JSON.stringify(join(pluginDir, 'versioned/1.0.0'))});
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { stdio: 'ignore' });
    await once(child, 'exit');
    expect(existsSync(join(stateDir, 'supervisor.lock'))).toBe(true);
    expect(await active(await start())).toBe('1.0.0');
  });

  test('goes on with the generation before where its state was cut, and says so', async () => {
    const { stateDir, start } = await home('1.0.0', '2.0.0');
    const first = await start();
    await first.load(first.status('versioned').dir!.replace('2.0.0', '1.0.0'));
    await first.close();
    truncateSync(join(stateDir, 'state.json'), 40);
    const said: string[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void said.push(message) };
    const second = await start({ logger });
    expect(await active(second)).toBe('1.0.0');
    expect(said.filter((line) => line.includes('set aside'))).toHaveLength(1);
  });
});

describe('the state folder', () => {
  test('belongs to one supervisor: the second is refused, starts nothing, and may have it afterwards', async () => {
    const { stateDir, start } = await home('1.0.0');
    const first = await start();
    const children = await ourChildren();
    expect(await rejection(start())).toMatchObject({ code: 'ERR_STATE_IN_USE', dir: stateDir, pid: process.pid });
    expect(await ourChildren()).toEqual(children);
    await first.close();
    expect(await active(await start())).toBe('1.0.0');
  });

  test('that cannot be written costs the memory, and no plugin', async () => {
    const { pluginDir, start } = await home('1.0.0');
    const file = join(pluginDir, 'file');
    writeFileSync(file, '');
    chmodSync(file, 0o400);
    const said: string[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void said.push(message) };
    const supervisor = await start({ stateDir: join(file, 'state'), logger });
    expect(await active(supervisor)).toBe('1.0.0');
    expect(said.join()).toMatch(/cannot be written, so nothing is remembered/);
  });

  test('is written whole at every change', async () => {
    const { pluginDir, stateDir, start } = await home('1.0.0');
    const supervisor = await start();
    await supervisor.load(await putVersion(pluginDir, '2.0.0'));
    const read = (): { plugins: Record<string, object> } => JSON.parse(readFileSync(join(stateDir, 'state.json'), 'utf8')) as never;
    expect(read().plugins.versioned).toMatchObject({ active: '2.0.0', held: '1.0.0', previous: '1.0.0', failed: [] });
    await supervisor.rollback('versioned');
    await until('the rollback is remembered', () => JSON.stringify(read()).includes('"active":"1.0.0"'));
    expect(read().plugins.versioned).toMatchObject({ active: '1.0.0', held: null, previous: '2.0.0' });
  });
});
