import { execFileSync } from 'node:child_process';
import { appendFile, cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { expect, test } from 'vitest';
import { createSupervisor, type Supervisor, type SupervisorEvent } from '../../src/index.ts';
import { putFiles, putFixture } from '../helpers/put-plugin.ts';
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

test('an empty plugin folder is followed, and its first plugin is started', async () => {
  const pluginDir = await supervise.tempDir();
  const supervisor = supervise.own(await createSupervisor({ pluginDir, watch: true }));
  expect(supervisor.status().plugins).toEqual([]);
  await putVersion(pluginDir, '1.0.0');
  await until('it is started', () => supervisor.status().plugins.some(({ state }) => state === 'active'));
});

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

test('a plugin that writes beside itself is not reloaded for it, and holds up no other plugin', async () => {
  const { supervisor, pluginDir, events } = await begin();
  const noisy = await putFiles(join(pluginDir, 'noisy'), {
    'package.json': JSON.stringify({ name: 'noisy', version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': `
      import { appendFileSync, mkdirSync } from 'node:fs';
      mkdirSync('logs', { recursive: true });
      setInterval(() => appendFileSync('logs/app.log', 'a line\\n'), 20);
      export default { methods: { pid: () => process.pid } };`,
  });
  await until('it serves', () => answers(supervisor, 'noisy', 'pid'));
  const { pid } = supervisor.status('noisy');
  await rename(await elsewhere('2.0.0'), join(pluginDir, 'versioned/2.0.0'));
  await until('the other one is rolled out', () => supervisor.status('versioned').version === '2.0.0');
  await appendFile(join(noisy, 'index.js'), '\n// saved');
  await until('its code is followed', () => ![pid, null].includes(supervisor.status('noisy').pid));
  const starts = events.filter((event) => event.kind === 'instance-starting' && event.plugin === 'noisy');
  expect(starts.length).toBeLessThan(4);
});

test('a plugin that puts a named pipe in the place of a package.json holds up neither the host nor another plugin', async () => {
  const { supervisor, pluginDir, who } = await begin();
  const folder = join(pluginDir, 'versioned/1.0.0/data');
  await mkdir(folder);
  execFileSync('mkfifo', [join(folder, 'package.json')]);
  await writeFile(join(folder, 'notes.txt'), 'one');
  await rename(await elsewhere('2.0.0'), join(pluginDir, 'versioned/2.0.0'));
  await until('2.0.0 is active', async () => (await who()) === '2.0.0');
  expect(supervisor.status('versioned').restarts).toBe(0);
});

test('a plugin that changes its own code at each start is left alone after five reloads, with the file named', async () => {
  const { supervisor, pluginDir, events } = await begin();
  await putFiles(join(pluginDir, 'restless'), {
    'package.json': JSON.stringify({ name: 'restless', version: '1.0.0', type: 'module', main: 'index.js' }),
    'index.js': `
      import { writeFileSync } from 'node:fs';
      setTimeout(() => writeFileSync('generated.js', String(Math.random())), 50);
      export default { methods: { pid: () => process.pid } };`,
  });
  const failures = (): string[] => events.flatMap((event) => (event.kind === 'watch-failed' ? [event.message] : []));
  await until('it is told', () => failures().length > 0, 25_000);
  expect(failures()[0]).toContain('restless@1.0.0 was reloaded 5 times within a minute');
  expect(failures()[0]).toContain('generated.js');
  expect(events.filter((event) => event.kind === 'instance-starting' && event.plugin === 'restless')).toHaveLength(6);
  expect(await answers(supervisor, 'restless', 'pid')).toBe(true);
});

test.each([true, false])('a plugin folder behind a link that is switched is followed (watch: %s)', async (watch) => {
  const home = await supervise.tempDir();
  const release = async (number: number, version: string): Promise<string> => {
    const dir = join(home, `releases/${number}`);
    await putVersion(dir, version, {});
    await writeFile(join(dir, 'versioned', version, 'release.txt'), String(number));
    return dir;
  };
  const current = join(home, 'current');
  await symlink(await release(1, '1.0.0'), current);
  const supervisor = supervise.own(await createSupervisor({ pluginDir: current, watch }));
  const switchTo = async (dir: string): Promise<void> => {
    await symlink(dir, `${current}.new`);
    await rename(`${current}.new`, current);
  };
  const dirOf = (): string => supervisor.status('versioned').dir ?? '';

  // The same version number, in another folder.
  await switchTo(await release(2, '1.0.0'));
  if (!watch) await supervisor.reconfigure({ pluginDir: current, watch });
  await until('the second release runs', () => dirOf().includes(`${sep}releases${sep}2${sep}`));
  await rm(join(home, 'releases/1'), { recursive: true });

  await switchTo(await release(3, '2.0.0'));
  if (!watch) await supervisor.reconfigure({ pluginDir: current, watch });
  await until('the third release runs', () => supervisor.status('versioned').version === '2.0.0');

  await switchTo(await release(4, '2.0.0'));
  if (!watch) await supervisor.reload('versioned');
  await until('the fourth release runs', () => dirOf().includes(`${sep}releases${sep}4${sep}`));
  expect(await supervisor.call('versioned', 'who')).toBe('2.0.0');
  // It is still followed: by its new folder.
  if (watch) {
    await rename(await elsewhere('3.0.0'), join(home, 'releases/4/versioned/3.0.0'));
    await until('3.0.0 is active', () => supervisor.status('versioned').version === '3.0.0');
  }
});

const answers = (supervisor: Supervisor, plugin: string, method: string): Promise<boolean> =>
  supervisor.call(plugin, method).then(
    () => true,
    () => false,
  );

test('a relative plugin folder is the same one after the process has changed its working directory', async () => {
  const home = await supervise.tempDir();
  await putVersion(join(home, 'plugins'), '1.0.0');
  const before = process.cwd();
  try {
    process.chdir(home);
    const supervisor = supervise.own(await createSupervisor({ pluginDir: './plugins', plugins: { versioned: { onDemand: true } } }));
    process.chdir(before);
    await putVersion(join(home, 'plugins'), '0.9.0');
    expect(await supervisor.call('versioned@0.9.0', 'who')).toBe('0.9.0');
    await supervisor.reload('versioned');
    expect(await supervisor.call('versioned', 'who')).toBe('1.0.0');
  } finally {
    process.chdir(before);
  }
});
