/** A pid is given to a stranger's process as soon as ours has let go of it: the stranger is never sent a signal. */
import { expect } from 'vitest';
import { inPidNamespace, testInPidNamespace as test, WITHOUT_CGROUPS } from '../helpers/pid-namespace.ts';
import { fixtures } from '../helpers/supervise.ts';

const folder = (name: string): string => JSON.stringify(`${fixtures}/${name}`);
const QUIET = 'logger: { debug() {}, info() {}, warn() {}, error() {} }';
const ROUNDS = 6;
const TIME = { timeout: 120_000 };
const survivors = (count: number): true[] => Array.from({ length: count }, () => true as const);

for (const [where, before] of [
  ['with cgroups', 'true'],
  ['without cgroups', WITHOUT_CGROUPS],
] as const) {
  test(`a stranger that gets the pid of a crashed child at once outlives the end of that child, ${where}`, TIME, async () => {
    const said = await inPidNamespace(
      `
      const supervisor = await createSupervisor({ strictModes: false, ${QUIET}, defaults: { restart: { maxRestarts: 1000, backoffMs: 1, maxBackoffMs: 1 } } });
      await supervisor.load(${folder('bystander')});
      for (let round = 0; round < ${ROUNDS}; round++) {
        const { pid } = supervisor.status('bystander');
        const taken = recycle(pid);
        await pause(20 * round);
        const crashed = once(supervisor, 'instance-crashed');
        process.kill(pid, 'SIGKILL');
        await Promise.all([taken, crashed]);
        await until(() => supervisor.status('bystander').pid !== null && supervisor.status('bystander').pid !== pid);
        await pause(300);
        say(isAlive(pid));
      }
      await supervisor.close();
      say(strangers.every(({ exitCode }) => exitCode === null));
      process.exit();`,
      before,
    );
    expect(said).toEqual(survivors(ROUNDS + 1));
  });

  test(`a stranger that gets the pid of a process which a plugin has started outlives the stop of the plugin, ${where}`, TIME, async () => {
    const said = await inPidNamespace(
      `
      const supervisor = await createSupervisor({ strictModes: false, ${QUIET}, defaults: { liveness: { intervalMs: 50, timeoutMs: 3000 } } });
      for (const end of ['unload', 'crash', 'close']) {
        await supervisor.load(${folder('spawner')});
        const pids = [];
        for (const way of ['plain', 'detached', 'doubleFork']) pids.push(await supervisor.call('spawner', way));
        // They are noted at a tick.
        await pause(200);
        for (const pid of pids) {
          const taken = recycle(pid);
          process.kill(pid, 'SIGKILL');
          await taken;
        }
        if (end === 'crash') {
          const crashed = once(supervisor, 'instance-ready');
          process.kill(supervisor.status('spawner').pid, 'SIGKILL');
          await crashed;
        }
        await (end === 'close' ? supervisor.close() : supervisor.unload('spawner'));
        await pause(200);
        say(pids.map(isAlive));
      }
      process.exit();`,
      before,
    );
    expect(said).toEqual(Array.from({ length: 3 }, () => survivors(3)));
  });
}

test('a stranger that gets the pid of a child whose last, large answer is still being read outlives whatever is asked meanwhile', TIME, async () => {
  const said = await inPidNamespace(`
    const large = 'Array.from({ length: 300000 }, (_, i) => ({ i, text: "text " + i }))';
    const { mkdtemp, writeFile, rm } = await import('node:fs/promises');
    const dir = await mkdtemp('/tmp/chameleon-test-');
    await writeFile(dir + '/package.json', JSON.stringify({ name: 'last', version: '1.0.0', main: 'index.js' }));
    await writeFile(dir + '/index.js', 'module.exports = { methods: { large: () => ' + large + ', die() { process.exit(1); } } };');
    for (let round = 0; round < 3; round++) {
      const supervisor = await createSupervisor({ strictModes: false, ${QUIET} });
      await supervisor.load(dir);
      const { pid } = supervisor.status('last');
      const taken = recycle(pid);
      const calls = [supervisor.call('last', 'large'), supervisor.call('last', 'large'), supervisor.call('last', 'die')];
      const over = Promise.allSettled(calls);
      await Promise.race([taken, over]);
      await pause(20 * round);
      await supervisor.close({ drainTimeoutMs: 0 });
      await taken;
      await pause(100);
      say(isAlive(pid));
    }
    await rm(dir, { recursive: true });
    process.exit();
  `);
  expect(said).toEqual(survivors(3));
});

test('a stranger that gets the pid of a waiting spare outlives the end of the spare', TIME, async () => {
  const said = await inPidNamespace(`
    const supervisor = await createSupervisor({ strictModes: false, ${QUIET}, spares: 1 });
    await supervisor.load(${folder('bystander')});
    const { readdirSync } = await import('node:fs');
    const spare = () => readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map(Number).find((pid) => {
      try {
        return /main[.]cjs\\0$/.test(readFileSync('/proc/' + pid + '/cmdline', 'latin1')) && pid !== supervisor.status('bystander').pid;
      } catch { return false; }
    });
    for (let round = 0; round < 2; round++) {
      await until(() => supervisor.status().spares === 1 && spare() !== undefined);
      const pid = spare();
      const taken = recycle(pid);
      process.kill(pid, 'SIGKILL');
      await taken;
      await pause(100);
      say(isAlive(pid));
    }
    await supervisor.close();
    say(strangers.every(({ exitCode }) => exitCode === null));
    process.exit();
  `);
  expect(said).toEqual(survivors(3));
});
