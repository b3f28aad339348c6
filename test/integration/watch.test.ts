import { appendFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSupervisor, type Supervisor, type SupervisorEvent } from '../../src/index.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { putVersion, Traffic } from '../helpers/versions.ts';

const supervise = useSupervisors();

interface Home {
  supervisor: Supervisor;
  pluginDir: string;
  events: SupervisorEvent[];
  /** What the active version answers. */
  who(): Promise<unknown>;
}

/** A supervisor that watches its plugin folder, with version 1.0.0 in it. */
async function begin(options: object = {}): Promise<Home> {
  const pluginDir = await supervise.tempDir();
  await putVersion(pluginDir, '1.0.0');
  const supervisor = supervise.own(await createSupervisor({ pluginDir, watch: true, ...options }));
  const events: SupervisorEvent[] = [];
  supervisor.on('event', (event) => void events.push(event));
  return { supervisor, pluginDir, events, who: () => supervisor.call('versioned', 'who').catch((error: Error) => error) };
}

/** A version that is made elsewhere, to be moved or copied in. */
async function elsewhere(version: string, behaviour: object = {}): Promise<string> {
  return putVersion(await supervise.tempDir(), version, { ...behaviour });
}

test('a version that is moved in is rolled out, one after the other, and no call fails', async () => {
  const { supervisor, pluginDir, events, who } = await begin();
  const traffic = new Traffic(() => supervisor.call('versioned', 'who'));
  for (const version of ['2.0.0', '3.0.0']) {
    await rename(await elsewhere(version), join(pluginDir, 'versioned', version));
    await until(`${version} is active`, async () => (await who()) === version);
  }
  await traffic.stop();
  expect(traffic.errors).toEqual([]);
  // Whatever else is told of the new folder, it is started once, and the version before is held.
  await putFixture(pluginDir, 'bystander');
  await until('what came after it is seen', () =>
    supervisor.call('bystander', 'echo', [1]).then(
      () => true,
      () => false,
    ),
  );
  expect(events.flatMap((event) => (event.kind === 'instance-starting' && event.plugin === 'versioned' ? [event.version] : []))).toEqual([
    '2.0.0',
    '3.0.0',
  ]);
  expect(supervisor.status('versioned').versions.find(({ role }) => role === 'held')).toMatchObject({ version: '2.0.0' });
});

test('a lower version that comes is not switched to', async () => {
  const { pluginDir, who, supervisor } = await begin();
  await rename(await elsewhere('0.9.0'), join(pluginDir, 'versioned/0.9.0'));
  await rename(await elsewhere('2.0.0'), join(pluginDir, 'versioned/2.0.0'));
  await until('2.0.0 is active', async () => (await who()) === '2.0.0');
  expect(supervisor.status('versioned').versions.map(({ version }) => version)).not.toContain('0.9.0');
});

test('a folder that is copied piece by piece is waited for, and a plugin that is new is started', async () => {
  const { supervisor, pluginDir, events } = await begin();
  const from = await elsewhere('2.0.0');
  const to = join(pluginDir, 'versioned/2.0.0');
  await mkdir(to);
  const text = await readFile(join(from, 'index.js'), 'utf8');
  await cp(join(from, 'package.json'), join(to, 'package.json'));
  for (let at = 0; at < text.length; at += Math.ceil(text.length / 20)) {
    await appendFile(join(to, 'index.js'), text.slice(at, at + Math.ceil(text.length / 20)));
    // Slow enough to be looked at half-way, were it not waited for.
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  await until('2.0.0 is active', async () => (await supervisor.call('versioned', 'who')) === '2.0.0');
  expect(events.filter(({ kind }) => kind === 'reload-failed' || kind === 'instance-start-failed')).toEqual([]);
  const single = join(pluginDir, 'another');
  await cp(from, single, { recursive: true });
  await writeFile(join(single, 'package.json'), (await readFile(join(single, 'package.json'), 'utf8')).replace('versioned', 'another'));
  await until('the new plugin serves', () =>
    supervisor.call('another', 'who').then(
      () => true,
      () => false,
    ),
  );
});

test('a version that is taken away is left: for another one, or altogether', async () => {
  const { supervisor, pluginDir, who } = await begin();
  await rename(await elsewhere('2.0.0'), join(pluginDir, 'versioned/2.0.0'));
  await until('2.0.0 is active', async () => (await who()) === '2.0.0');
  await rm(join(pluginDir, 'versioned/2.0.0'), { recursive: true });
  await until('1.0.0 is active', async () => (await who()) === '1.0.0');
  await rm(join(pluginDir, 'versioned'), { recursive: true });
  await until('the plugin is gone', () => supervisor.status().plugins.length === 0);
  expect(await who()).toMatchObject({ code: 'ERR_PLUGIN_NOT_FOUND' });
});

test('the files of the active version that change are run by a fresh child, and no call fails', async () => {
  const { supervisor, pluginDir } = await begin();
  const { pid } = supervisor.status('versioned');
  const traffic = new Traffic(() => supervisor.call('versioned', 'who'));
  const file = join(pluginDir, 'versioned/1.0.0/index.js');
  await writeFile(file, (await readFile(file, 'utf8')).replace('  return version;', '  return `${version} as changed`;'));
  await until('the change is served', () => traffic.answers.includes('1.0.0 as changed'));
  await traffic.stop();
  expect(traffic.errors).toEqual([]);
  expect(supervisor.status('versioned').pid).not.toBe(pid);
});

test('what is broken changes nothing, and is tried again once it is mended', async () => {
  const { supervisor, pluginDir, events, who } = await begin();
  const { pid } = supervisor.status('versioned');
  const to = join(pluginDir, 'versioned/2.0.0');
  await rename(await elsewhere('2.0.0', { initThrows: true }), to);
  await until('it was refused', () => events.some(({ kind }) => kind === 'reload-failed'));
  const file = join(pluginDir, 'versioned/1.0.0/package.json');
  const manifest = await readFile(file, 'utf8');
  await writeFile(file, '{ broken');
  await until('that was refused, too', () => events.some(({ kind }) => kind === 'plugin-refused'));
  expect(await who()).toBe('1.0.0');
  expect(supervisor.status('versioned').pid).toBe(pid);
  await writeFile(file, manifest);
  await writeFile(join(to, 'behaviour.json'), '{}');
  await until('2.0.0 is active', async () => (await who()) === '2.0.0');
});

test('watching begins and ends with the option, and a closed supervisor hears of nothing', async () => {
  const { supervisor, pluginDir, who } = await begin({ watch: false });
  await rename(await elsewhere('2.0.0'), join(pluginDir, 'versioned/2.0.0'));
  await supervisor.reconfigure({ pluginDir, watch: true });
  expect(await who()).toBe('2.0.0');
  await rename(await elsewhere('3.0.0'), join(pluginDir, 'versioned/3.0.0'));
  await until('3.0.0 is active', async () => (await who()) === '3.0.0');
  await supervisor.close();
  await rename(await elsewhere('4.0.0'), join(pluginDir, 'versioned/4.0.0'));
});
