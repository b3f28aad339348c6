/** F41, F42, F44, F46: versions are replaced under traffic, and what goes wrong with that costs no call. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EventOf, PluginCrashedError, ReloadFailedError } from '../../src/index.ts';
import { Invariants } from '../helpers/invariants.ts';
import { Ledger } from '../helpers/ledger.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

test('F41: reloads back and forth under constant load lose no call, run none twice, and switch for good', { timeout: 60_000 }, async () => {
  const RELOADS = 24;
  const folder = await supervise.tempDir();
  const versions = [await putFixture(folder, 'ledger'), await putFixture(folder, 'ledger', { version: '2.0.0' })];
  const ledger = await Ledger.begin(supervise);
  const { supervisor, events } = ledger.watched;
  const check = await Invariants.begin(ledger.watched);

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
  const traffic = setInterval(() => {
    void ledger.call('once', ledger.random(20));
    void ledger.call('again', ledger.random(20));
  }, 8);
  for (let n = 0; n < RELOADS; n++) {
    const next = (n + 1) % 2;
    await supervisor.load(versions[next]!);
    expect(supervisor.status('ledger')).toMatchObject({ version: `${next + 1}.0.0`, state: 'active' });
    askNew();
  }
  clearInterval(traffic);
  // Before the books are checked, which takes this process a while.
  await check.end({ faults: RELOADS, kinds: ['plugin-activated'] });
  expect(check.events('instance-crashed', 'restart-scheduled', 'drain-timeout', 'reload-failed')).toEqual([]);

  const settled = await ledger.verify();
  expect(settled.filter(({ error }) => error !== null)).toEqual([]);
  expect(misled).toEqual([]);
  // Every answer is of exactly one of the versions, and both have worked.
  const answeredBy = new Set(settled.map(({ result }) => versionOf(pidOf(result))));
  expect(answeredBy).toEqual(new Set(['1.0.0', '2.0.0']));
});

describe('F42: a new version that is no good', () => {
  const bad = [
    ['crashes at start', 'crashes-at-start', 'ERR_START_FAILED'],
    ['throws on import', 'throws-at-start', 'ERR_START_FAILED'],
    ['throws in init', 'init-throws', 'ERR_START_FAILED'],
    ['fails its health check', 'health-fails', 'ERR_START_FAILED'],
    ['exports no methods', 'no-methods', 'ERR_START_FAILED'],
    ['hangs', 'hangs-at-start', 'ERR_START_TIMEOUT'],
  ] as const;

  test.each(bad)('that %s changes nothing: the old child serves on, and the new one is gone', async (_what, fixture, code) => {
    const watched = await supervise.fixture('polite', { startTimeoutMs: 1_000 });
    const { supervisor } = watched;
    const { pid } = supervisor.status('polite');
    const check = await Invariants.begin(watched);
    const [before] = [await ourChildren()];
    const answers: Promise<unknown>[] = [];
    const traffic = setInterval(() => answers.push(supervisor.call('polite', 'who')), 10);
    const error = await rejection<ReloadFailedError>(supervisor.load(join(fixtures, fixture)));
    clearInterval(traffic);
    expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED', plugin: 'polite', version: '2.0.0', from: '1.0.0', to: '2.0.0', cause: { code } });
    expect(supervisor.status('polite')).toMatchObject({ pid, version: '1.0.0', state: 'active' });
    expect(supervisor.status('polite').versions).toHaveLength(1);
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ pid, version: '1.0.0' });
    await until('its tree is gone', async () => (await ourChildren()).length === before.length, 6_000);
    await check.end({ faults: 1, kinds: ['reload-failed'] });
  });

  test('whose cause tells the phase, the exit and the last output', async () => {
    const { supervisor } = await supervise.fixture('polite', { startTimeoutMs: 1_000 });
    const causeOf = async (fixture: string): Promise<unknown> => (await rejection<ReloadFailedError>(supervisor.load(join(fixtures, fixture)))).cause;
    expect(await causeOf('crashes-at-start')).toMatchObject({
      exit: { code: 7 },
      stderrTail: expect.stringContaining('the shelf fell down') as string,
    });
    expect(await causeOf('health-fails')).toMatchObject({ phase: 'health', message: expect.stringContaining('the database is not there') as string });
    expect(await causeOf('init-throws')).toMatchObject({ phase: 'init', message: expect.stringContaining('no such tariff') as string });
    expect(await causeOf('hangs-at-start')).toMatchObject({ stderrTail: expect.stringContaining('waiting for Godot') as string });
  });

  test.each([
    ['is no semver', { version: 'latest' }],
    ['asks for another Chameleon', { engines: { chameleon: '^99.0.0' } }],
    ['asks for another Node', { engines: { node: '>=99' } }],
    ['names an entry that is not there', { main: 'gone.js' }],
    ['has another name', { name: 'impolite' }],
  ])('whose manifest %s is not even started', async (_what, changed) => {
    const folder = await supervise.tempDir();
    const dir = await putFixture(folder, 'polite');
    const { supervisor, events } = await supervise();
    await supervisor.load(dir);
    const { pid } = supervisor.status('polite');
    const manifest = { name: 'polite', version: '1.0.0', type: 'module', main: 'index.js', ...changed };
    await writeFile(join(dir, 'package.json'), JSON.stringify(manifest));
    const error = await rejection<ReloadFailedError>(supervisor.reload('polite'));
    expect(error).toMatchObject({ code: 'ERR_RELOAD_FAILED', from: '1.0.0', cause: { code: 'ERR_MANIFEST_INVALID' } });
    expect(supervisor.status('polite')).toMatchObject({ pid, version: '1.0.0', state: 'active' });
    expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
    expect(events.filter(({ kind }) => kind === 'instance-starting')).toHaveLength(1);
    expect(events.filter(({ kind }) => kind === 'reload-failed')).toHaveLength(1);
  });
});

describe('F44: a call that is longer than the drain timeout', () => {
  test.each([
    ['that minds its signal', 'polite', 'sleep', [60_000]],
    ['that minds nothing', 'ignores-cancel', 'work', ['/dev/null', 60_000]],
  ])('is cut off, alone (%s)', async (_what, fixture, method, args) => {
    const { supervisor, events } = await supervise.fixture(fixture, { drainTimeoutMs: 500, stopTimeoutMs: 1_000 });
    const old = supervisor.status(fixture).pid;
    const long = rejection<PluginCrashedError>(supervisor.call(fixture, method, args));
    const short = fixture === 'polite' ? supervisor.call('polite', 'sleep', [300]) : supervisor.call(fixture, 'pid');
    await until('both run', () => supervisor.status(fixture).inFlight > 0);
    await supervisor.reload(fixture);
    expect(supervisor.status(fixture).pid).not.toBe(old);
    expect(await short).toBe(fixture === 'polite' ? 300 : old);
    expect(await long).toMatchObject({
      code: 'ERR_PLUGIN_CRASHED',
      maybeExecuted: true,
      exit: { pid: old, cause: 'drain-timeout', inFlight: [{ method }] },
    });
    const cut = events.filter((event) => event.kind === 'drain-timeout');
    expect(cut).toMatchObject([{ plugin: fixture, version: '1.0.0', calls: [{ method }] }]);
    expect(events.filter(({ kind }) => kind === 'instance-crashed')).toEqual([]);
  });
});

describe('F46: reload', () => {
  test('with an open breaker starts closed', async () => {
    const { supervisor } = await supervise.fixture('throws', { breaker: { maxFailures: 1, openMs: 60_000 } });
    await rejection(supervisor.call('throws', 'plain'));
    expect(supervisor.breaker('throws').state).toBe('open');
    await supervisor.reload('throws');
    expect(supervisor.breaker('throws')).toMatchObject({ state: 'closed', failures: 0 });
    expect(await supervisor.call('throws', 'ok')).toBe('ok');
  });

  test('from failed revives it, and an operator may do so as often as he likes', async () => {
    const { supervisor, events } = await supervise.fixture('polite', { restart: { maxRestarts: 0 } });
    for (let n = 0; n < 4; n++) {
      await rejection(supervisor.call('polite', 'exit', [1]));
      await until('it is given up', () => supervisor.status('polite').versions[0]!.state === 'failed');
      expect(await rejection(supervisor.call('polite', 'echo', [1]))).toMatchObject({
        code: 'ERR_PLUGIN_UNAVAILABLE',
        state: 'failed',
        retryable: false,
      });
      expect(await supervisor.reload('polite')).toMatchObject({ outcome: 'promoted', from: '1.0.0', to: '1.0.0' });
      expect(await supervisor.call('polite', 'echo', [n])).toBe(n);
      expect(supervisor.status('polite')).toMatchObject({ state: 'active', restarts: 0 });
    }
    expect(events.filter(({ kind }) => kind === 'plugin-failed')).toHaveLength(4);
  });

  test('does not use up the restart budget: after many of them a crash is mended still', async () => {
    const { supervisor } = await supervise.fixture('polite', { restart: { maxRestarts: 1, backoffMs: 1 } });
    for (let n = 0; n < 4; n++) await supervisor.reload('polite');
    await rejection(supervisor.call('polite', 'exit', [1]));
    expect(await supervisor.call('polite', 'echo', [1])).toBe(1);
  });
});
