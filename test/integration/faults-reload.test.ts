/** F41, F42, F44, F46: versions are replaced under traffic, and what goes wrong with that costs no call. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { EventOf, PluginCrashedError, ReloadFailedError } from '../../src/index.ts';
import { Ledger } from '../helpers/ledger.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { fixtures, ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

/** In each of six rounds: over 200. */
const RELOADS = 34;

rounds(
  'F41 34 reloads back and forth in each round, 204 in all, under constant load, lose no call, run none twice, and switch for good',
  async ({ begin, random }) => {
    const folder = await supervise.tempDir();
    const versions = [await putFixture(folder, 'ledger'), await putFixture(folder, 'ledger', { version: '2.0.0' })];
    const ledger = await Ledger.begin(supervise, 'ledger', { rollout: { holdMs: random.pick([0, 20, 200]) } }, random.stream());
    const { supervisor, events } = ledger.watched;
    const check = await begin(ledger);

    const versionOf = (pid: number): string | undefined =>
      events.find((event): event is EventOf<'instance-ready'> => event.kind === 'instance-ready' && event.pid === pid)?.version;
    const pidOf = (entry: unknown): number => Number(String(entry).split(' ')[2]);
    let expected = supervisor.status('ledger').pid!;
    const misled: string[] = [];
    const askNew = (): void => {
      const pid = expected;
      void ledger.call('once', 0).then(({ result }) => {
        if (pidOf(result) !== pid) misled.push(`${String(result)} in place of ${pid}`);
      });
    };
    // The very first moment after a switch: the event is published in the same turn.
    supervisor.on('plugin-activated', ({ plugin }) => {
      if (plugin !== 'ledger') return;
      expected = supervisor.status('ledger').pid!;
      askNew();
    });
    const lengths = random.stream();
    const traffic = setInterval(() => {
      void ledger.call('once', lengths.below(20));
      void ledger.call('again', lengths.below(20));
    }, 8);
    for (let n = 0; n < RELOADS; n++) {
      const next = (n + 1) % 2;
      await supervisor.load(versions[next]!);
      expect(supervisor.status('ledger')).toMatchObject({ version: `${next + 1}.0.0`, state: 'active' });
      askNew();
      await random.moment(0, 10);
    }
    clearInterval(traffic);
    supervisor.removeAllListeners('plugin-activated');
    await check.end({ faults: RELOADS, kinds: ['plugin-activated'] });
    expect(check.events('instance-crashed', 'restart-scheduled', 'drain-timeout', 'reload-failed')).toEqual([]);

    const settled = await ledger.verify();
    expect(settled.filter(({ error }) => error !== null)).toEqual([]);
    expect(misled).toEqual([]);
    // Every answer is of exactly one of the versions, and both have worked.
    const answeredBy = new Set(settled.map(({ result }) => versionOf(pidOf(result))));
    expect(answeredBy).toEqual(new Set(['1.0.0', '2.0.0']));
  },
  { timeout: 60_000 },
);

rounds(
  'F42 a new version that crashes, throws, fails its health check or hangs changes nothing: the old child serves on, and the new one is gone',
  async ({ begin, random }) => {
    const bad: [string, string, object][] = [
      ['crashes-at-start', 'ERR_START_FAILED', { exit: { code: 7 }, stderrTail: expect.stringContaining('the shelf fell down') as string }],
      ['throws-at-start', 'ERR_START_FAILED', {}],
      ['init-throws', 'ERR_START_FAILED', { phase: 'init', message: expect.stringContaining('no such tariff') as string }],
      ['health-fails', 'ERR_START_FAILED', { phase: 'health', message: expect.stringContaining('the database is not there') as string }],
      ['no-methods', 'ERR_START_FAILED', {}],
      ['hangs-at-start', 'ERR_START_TIMEOUT', { stderrTail: expect.stringContaining('waiting for Godot') as string }],
    ];
    const watched = await supervise.fixture('polite', { startTimeoutMs: 1_000 });
    const { supervisor } = watched;
    const { pid } = supervisor.status('polite');
    const check = await begin(watched);
    const before = await ourChildren();
    const answers: Promise<unknown>[] = [];
    const traffic = setInterval(() => answers.push(supervisor.call('polite', 'who')), 10);
    for (const [fixture, code, facts] of random.shuffled(bad)) {
      await random.moment(0, 30);
      const error = await rejection<ReloadFailedError>(supervisor.load(join(fixtures, fixture)));
      expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED', plugin: 'polite', version: '2.0.0', from: '1.0.0', to: '2.0.0' });
      expect(error.cause, fixture).toMatchObject({ code, ...facts });
      expect(supervisor.status('polite')).toMatchObject({ pid, version: '1.0.0', state: 'active' });
      expect(supervisor.status('polite').versions).toHaveLength(1);
      await until('its tree is gone', async () => (await ourChildren()).length === before.length, 6_000);
    }
    clearInterval(traffic);
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ pid, version: '1.0.0' });
    await check.end({ faults: bad.length, kinds: ['reload-failed'] });
  },
);

rounds('F42 a new version whose manifest is bad is not even started', async ({ begin, random }) => {
  const folder = await supervise.tempDir();
  const dir = await putFixture(folder, 'polite');
  const watched = await supervise();
  const { supervisor } = watched;
  await supervisor.load(dir);
  const { pid } = supervisor.status('polite');
  const check = await begin(watched);
  const changes = random.shuffled<object>([
    { version: 'latest' },
    { engines: { chameleon: '^99.0.0' } },
    { engines: { node: '>=99' } },
    { exports: './gone.js' },
    { name: 'impolite' },
  ]);
  for (const changed of changes) {
    const manifest = { name: 'polite', version: '1.0.0', type: 'module', main: 'index.js', ...changed };
    await writeFile(join(dir, 'package.json'), JSON.stringify(manifest));
    const error = await rejection<ReloadFailedError>(supervisor.reload('polite'));
    expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED', from: '1.0.0', cause: { code: 'ERR_MANIFEST_INVALID' } });
    expect(supervisor.status('polite')).toMatchObject({ pid, version: '1.0.0', state: 'active' });
    expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
  }
  expect(check.events('instance-starting')).toEqual([]);
  await check.end({ faults: changes.length, kinds: ['reload-failed'] });
});

rounds('F44 a call that is longer than the drain timeout is cut off, alone, whether it minds its signal or nothing', async ({ begin, random }) => {
  const watched = await supervise({ defaults: { drainTimeoutMs: random.between(300, 500), stopTimeoutMs: 1_000 } });
  const { supervisor } = watched;
  const check = await begin(watched);
  const ways = random.shuffled([
    ['polite', 'sleep', [60_000]],
    ['ignores-cancel', 'work', ['/dev/null', 60_000]],
  ] as const);
  for (const [fixture, method, args] of ways) {
    await supervisor.load(join(fixtures, fixture));
    const old = supervisor.status(fixture).pid;
    const long = rejection<PluginCrashedError>(supervisor.call(fixture, method, args));
    const shortMs = random.between(50, 200);
    const short = fixture === 'polite' ? supervisor.call('polite', 'sleep', [shortMs]) : supervisor.call(fixture, 'pid');
    await until('both run', () => supervisor.status(fixture).inFlight > 0);
    await supervisor.reload(fixture);
    expect(supervisor.status(fixture).pid).not.toBe(old);
    expect(await short).toBe(fixture === 'polite' ? shortMs : old);
    expect(await long).toMatchObject({
      code: 'ERR_PLUGIN_CRASHED',
      maybeExecuted: true,
      exit: { pid: old, cause: 'drain-timeout', inFlight: [{ method }] },
    });
    const cut = check.events('drain-timeout').filter(({ plugin }) => plugin === fixture);
    expect(cut).toMatchObject([{ plugin: fixture, version: '1.0.0', calls: [{ method }] }]);
  }
  expect(check.events('instance-crashed')).toEqual([]);
  await check.end({ faults: ways.length, kinds: ['drain-timeout'], instances: { polite: 1, 'ignores-cancel': 1 } });
});

rounds('F46 a reload with an open breaker starts closed', async ({ begin, random }) => {
  const maxFailures = random.between(1, 5);
  const watched = await supervise.fixture('throws', { breaker: { maxFailures, openMs: 60_000 } });
  const { supervisor } = watched;
  const check = await begin(watched);
  for (let n = 0; n < maxFailures; n++) await rejection(supervisor.call('throws', 'plain'));
  expect(supervisor.breaker('throws').state).toBe('open');
  await random.moment(0, 50);
  await supervisor.reload('throws');
  expect(supervisor.breaker('throws')).toMatchObject({ state: 'closed', failures: 0 });
  expect(await supervisor.call('throws', 'ok')).toBe('ok');
  await check.end({ faults: 1, kinds: ['breaker-changed'] });
});

rounds('F46 a reload from failed revives it, as often as an operator likes', async ({ begin, random }) => {
  const times = random.between(2, 4);
  const watched = await supervise.fixture('polite', { restart: { maxRestarts: 0 } });
  const { supervisor } = watched;
  const check = await begin(watched);
  for (let n = 0; n < times; n++) {
    await rejection(supervisor.call('polite', 'exit', [random.between(1, 100)]));
    await until('it is given up', () => supervisor.status('polite').versions[0]!.state === 'failed');
    expect(await rejection(supervisor.call('polite', 'echo', [1]))).toMatchObject({
      code: 'ERR_PLUGIN_UNAVAILABLE',
      state: 'failed',
      // It is tried again by itself, though not as soon.
      retryable: true,
    });
    expect(await supervisor.reload('polite')).toMatchObject({ outcome: 'promoted', from: '1.0.0', to: '1.0.0' });
    expect(await supervisor.call('polite', 'echo', [n])).toBe(n);
    expect(supervisor.status('polite')).toMatchObject({ state: 'active', restarts: 0 });
  }
  expect(check.events('plugin-failed')).toHaveLength(times);
  await check.end({ faults: times });
});

rounds('F46 reloads do not use up the restart budget: after many of them a crash is mended still', async ({ begin, random }) => {
  const watched = await supervise.fixture('polite', { restart: { maxRestarts: 1, backoffMs: 1 } });
  const { supervisor } = watched;
  const check = await begin(watched);
  for (let n = random.between(2, 5); n > 0; n--) await supervisor.reload('polite');
  await rejection(supervisor.call('polite', 'exit', [1]));
  expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
  await check.end({ faults: 1 });
});
