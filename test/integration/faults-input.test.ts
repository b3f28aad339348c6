/** Faults F54 to F56 at the library's door: names, configurations and prototypes that are meant to do harm. */
import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createSupervisor, isChameleonError, type ChameleonError, type ConfigInvalidError, type SupervisorOptions } from '../../src/index.ts';
import { putFiles, putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';

const supervise = useSupervisors();

// prettier-ignore
const NAMES = [
  '', '.', '..', '../secret', 'a/../secret', '/etc', 'a//b', '@', '@/', '@a', '@a/b/c', '@../a', '%2e%2e', '..%2fsecret', 'a\\b', 'C:\\x', '\0', 'a\0b',
  'a\nb', '\u2028', ' a', '-a', '_a', '.git', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'node_modules', 'POLITE', 'pоlite', 'polite\u200b',
  '你好', '\ud800', 'a'.repeat(300), 'a'.repeat(100_000), '../'.repeat(99), '*', '$(id)', '`id`', 'file:///etc/passwd', '~root', 'polite ',
  'polite@', 'polite@latest', 'polite@../1', 'polite@1.0.0/../..', 'polite@\0', 'polite@__proto__', `polite@${'1'.repeat(300)}`, 'polite@file:.', 'polite@^9',
];
const doors: Record<string, (watched: Watched, name: string) => unknown> = {
  call: ({ supervisor }, name) => supervisor.call(name, 'who'),
  reload: ({ supervisor }, name) => supervisor.reload(name),
  rollback: ({ supervisor }, name) => supervisor.rollback(name),
  unload: ({ supervisor }, name) => supervisor.unload(name),
  version: ({ supervisor }, name) => supervisor.unload('polite', { version: name }),
  status: ({ supervisor }, name) => supervisor.status(name),
  methods: ({ supervisor }, name) => supervisor.methods(name),
  breaker: ({ supervisor }, name) => supervisor.breaker(name),
  isolate: ({ supervisor }, name) => supervisor.isolate(name),
  metrics: ({ supervisor }, name) => supervisor.metrics(name),
  client: ({ supervisor }, name) => supervisor.plugin<{ who(): unknown }>(name).who(),
};

const everythingIn = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted();

rounds(
  `F54 ${Object.keys(doors).length} doors and ${NAMES.length} names, in any order: typed errors, and nothing is read or made outside`,
  async ({ begin, random }) => {
    const folder = await supervise.tempDir();
    await mkdir(join(folder, 'secret'));
    await writeFile(join(folder, 'secret/package.json'), '{"name":"secret","version":"1.0.0"}');
    await putFixture(join(folder, 'plugins'), 'polite');
    const watched = await supervise({ pluginDir: join(folder, 'plugins') });
    const check = await begin(watched);
    const before = everythingIn(folder);
    const wrong: string[] = [];
    const tries = Object.entries(doors).flatMap(([door, through]) => NAMES.map((name) => ({ door, through, name })));
    for (const { door, through, name } of random.shuffled(tries)) {
      const outcome = await (async () => through(watched, name))().catch((error: unknown) => error);
      const { code } = outcome as ChameleonError;
      if (!isChameleonError(outcome) || !['ERR_PLUGIN_NOT_FOUND', 'ERR_VERSION_NOT_FOUND'].includes(code))
        wrong.push(`${door} ${JSON.stringify(name).slice(0, 40)}: ${String(outcome).slice(0, 100)}`);
      else if (outcome.message.length > 1_000)
        wrong.push(`${door} ${JSON.stringify(name).slice(0, 40)}: a message of ${outcome.message.length} characters`);
      if (random.below(20) === 0) await random.moment(0, 5);
    }
    expect(wrong).toEqual([]);
    expect(everythingIn(folder)).toEqual(before);
    expect(await watched.supervisor.call('polite', 'echo', [1])).toBe(1);
    expect(watched.supervisor.status().plugins).toHaveLength(2);
    await check.end({ faults: 0 });
  },
);

const VERSIONS = ['..', '1.0.0/../..', 'latest', '', '1.0', '../outside', '\0', '1.0.0\n', `1.0.0-${'a'.repeat(300)}`];

rounds(
  'F54 a plugin folder full of hostile names and versions holds the one good plugin, and nothing outside is touched',
  async ({ begin, random }) => {
    const folder = await supervise.tempDir();
    const plugins = join(folder, 'plugins');
    await putFixture(join(folder, 'outside'), 'polite');
    await putFixture(plugins, 'polite');
    const manifests = [...NAMES.map((name) => ({ name, version: '1.0.0' })), ...VERSIONS.map((version) => ({ name: 'polite', version }))];
    const some = random.shuffled(manifests).slice(0, random.between(20, 50));
    for (const [i, manifest] of some.entries())
      await putFiles(join(plugins, `p${i}`), { 'package.json': JSON.stringify({ ...manifest, main: 'index.js' }), 'index.js': '' });
    const watched = await supervise();
    const check = await begin(watched);
    const before = everythingIn(folder);
    await watched.supervisor.reconfigure({ pluginDir: plugins });
    const { refused, plugins: loaded } = watched.supervisor.status();
    expect(loaded.map(({ name }) => name).toSorted()).toEqual(['bystander', 'polite']);
    expect(refused).toHaveLength(some.length);
    for (const { path, code } of refused) expect([path.startsWith(plugins), code]).toEqual([true, 'ERR_MANIFEST_INVALID']);
    expect(everythingIn(folder)).toEqual(before);
    await check.end({ faults: some.length, kinds: ['plugin-refused'], instances: { polite: 1 } });
  },
);

/** Wrong values, and the paths of the options that they are put at. */
const WRONG: [path: string, value: unknown][] = [
  ...['concurrency', 'maxQueue', 'callTimeoutMs', 'stopTimeoutMs', 'maxMessageBytes'].flatMap((path) =>
    [Number.NaN, Infinity, -1, 2 ** 31 + 0.5, '5', null, [], {}].map((value): [string, unknown] => [path, value]),
  ),
  ...['breaker', 'retry', 'restart', 'liveness'].flatMap((path) => [null, 7, 'x'].map((value): [string, unknown] => [path, value])),
  ['breaker.maxFailures', 0],
  ['restart.periodMs', 0],
  ['liveness.timeoutMs', 2 ** 31],
  ['concurrencyy', 1],
  ['version', 'latest'],
  ['version', '1.0.0/../..'],
  ['env', 5],
  ['nodePath', ''],
  ['enabled', 'yes'],
];

rounds(
  'F55 a configuration with some of its options wrong is refused with every mistake and its path, and changes nothing that runs',
  async ({ begin, random }) => {
    const watched = await supervise.fixture('polite');
    const { supervisor } = watched;
    const { pid } = supervisor.status('polite');
    const check = await begin(watched);
    const running = supervisor.call('polite', 'sleep', [200]);
    for (let i = 0; i < 30; i++) {
      const options: Record<string, unknown> = {};
      const paths = new Map<string, string>();
      for (const [path, value] of random.shuffled(WRONG).slice(0, random.between(1, 6))) {
        const [group, key] = path.split('.') as [string, string?];
        // Two mistakes in one option are one place.
        if (paths.has(group)) continue;
        paths.set(group, path);
        options[group] = key === undefined ? value : { [key]: value };
      }
      const place = random.pick(['defaults', 'plugins.polite']);
      const given: SupervisorOptions = place === 'defaults' ? { defaults: options } : { plugins: { polite: options } };
      const error = await rejection<ConfigInvalidError>(random.below(2) === 0 ? supervisor.reconfigure(given) : createSupervisor(given));
      expect(error.code).toBe('ERR_CONFIG_INVALID');
      expect(error.issues.map(({ path }) => path)).toEqual(expect.arrayContaining(Array.from(paths.values(), (path) => `${place}.${path}`)));
    }
    expect(await running).toBe(200);
    expect(supervisor.status('polite')).toMatchObject({ pid, version: '1.0.0', state: 'active' });
    await check.end({ faults: 0 });
  },
);
