/** Starts that hang: they hold up neither other starts, nor the host, nor its end. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { createSupervisor, type Supervisor, type SupervisorOptions } from '../../src/index.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const logger = { debug() {}, info() {}, warn() {}, error() {} };
/** More than may start at a time. */
const HANGING = 3 * 2 * availableParallelism();

interface Hanging {
  supervisor: Supervisor;
  /** The file that keeps them from starting. */
  down: string;
}

/** A supervisor with the healthy plugin `polite`, and many whose `init` hangs. */
async function withHanging(options: SupervisorOptions, how: 'hang' | 'throw' = 'hang', count = HANGING): Promise<Hanging> {
  const folder = await supervise.tempDir();
  const down = join(folder, 'down');
  await writeFile(down, '');
  await putFixture(folder, 'polite');
  for (let n = 0; n < count; n++) await putFixture(folder, 'upstream', { name: `hanging-${n}` });
  const defaults = { options: { down, atStart: how }, ...options.defaults };
  return { supervisor: supervise.own(await createSupervisor({ logger, pluginDir: folder, ...options, defaults })), down };
}

test('a healthy plugin starts beside any number whose init hangs, and is back at once when it dies', async () => {
  const { supervisor } = await withHanging({ waitFor: ['polite'], defaults: { startTimeoutMs: 60_000 } });
  await until('all of them hang', async () => (await ourChildren()).length === HANGING + 1, 60_000);
  const { pid } = supervisor.status('polite');
  const at = performance.now();
  process.kill(pid!, 'SIGKILL');
  await until('it is back', () => ![pid, null].includes(supervisor.status('polite').pid));
  // Alone it takes about a tenth of this.
  expect(performance.now() - at).toBeLessThan(3_000);
});

describe('waitFor', () => {
  test('none: calls are taken at once, and wait for their plugin within their deadline', async () => {
    const { supervisor, down } = await withHanging({ waitFor: 'none' }, 'hang', 1);
    expect(
      supervisor
        .status()
        .plugins.map(({ name }) => name)
        .toSorted(),
    ).toEqual(['hanging-0', 'polite']);
    const call = supervisor.call('hanging-0', 'echo', [1]);
    expect(supervisor.status('hanging-0').state).toBe('activating');
    await rm(down);
    expect(await call).toBe(1);
    await supervisor.whenStarted();
    expect(supervisor.status('hanging-0').state).toBe('active');
  });

  test('names: the others start beside them', async () => {
    const { supervisor } = await withHanging({ waitFor: ['polite'] }, 'hang', 1);
    expect(supervisor.status('polite').state).toBe('active');
    expect(supervisor.status('hanging-0').state).toBe('activating');
  });

  test('a name that no plugin has is an error that says which there are', async () => {
    expect(await rejection(withHanging({ waitFor: ['polit'] }, 'throw', 0))).toMatchObject({ code: 'ERR_PLUGIN_NOT_FOUND', available: ['polite'] });
    expect(await ourChildren()).toEqual([]);
  });

  test('with strict it throws of what is waited for, and whenStarted of the rest', async () => {
    const { supervisor } = await withHanging({ waitFor: ['polite'], strict: true }, 'throw', 1);
    expect(await rejection(supervisor.whenStarted())).toMatchObject({ code: 'ERR_START_FAILED', plugin: 'hanging-0' });
    expect(await rejection(withHanging({ strict: true }, 'throw', 1))).toMatchObject({ code: 'ERR_START_FAILED' });
  });

  test.each(['some', [1], ['../x'], true])('%j is refused as an option', async (waitFor) => {
    const error = await rejection(createSupervisor({ waitFor } as never));
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});

describe('close', () => {
  test('ends starts at once, however long they may take', async () => {
    const { supervisor } = await withHanging({ waitFor: 'none', defaults: { startTimeoutMs: 60_000 } }, 'hang', 2);
    await until('they hang', async () => (await ourChildren()).length === 3);
    const waiting = rejection(supervisor.call('hanging-0', 'echo', [1]));
    const at = performance.now();
    await supervisor.close();
    expect(performance.now() - at).toBeLessThan(5_000);
    expect(await waiting).toMatchObject({ code: 'ERR_SUPERVISOR_CLOSED' });
    expect(await ourChildren()).toEqual([]);
  });

  test('with drainTimeoutMs: 0 waits for no child that was replaced and finishes its calls', async () => {
    const { supervisor, events } = await supervise.fixture('upstream', { concurrency: 2, cancelGraceMs: 20, maxCalls: 3 });
    const patient = rejection(supervisor.call('upstream', 'report', [20_000]));
    await rejection(supervisor.call('upstream', 'report', [20_000], { timeoutMs: 50 }));
    await until('a fresh child serves', () => events.filter(({ kind }) => kind === 'instance-ready').length === 2);
    const at = performance.now();
    await supervisor.close({ drainTimeoutMs: 0 });
    expect(performance.now() - at).toBeLessThan(5_000);
    expect(await patient).toMatchObject({ code: 'ERR_PLUGIN_CRASHED' });
    expect(await ourChildren()).toEqual([]);
  });

  test('leaves no timer of a start that was to be tried again', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const { supervisor } = await withHanging({ defaults: { restart: { maxRestarts: 1, backoffMs: 1, maxBackoffMs: 60_000 } } }, 'throw', 3);
    await until('they are tried again later', () =>
      supervisor
        .status()
        .plugins.every(({ name, versions }) => name === 'polite' || (versions[0]!.state === 'failed' && versions[0]!.retryAfterMs !== null)),
    );
    await supervisor.close();
    expect(timers()).toBeLessThanOrEqual(before + 1);
  });
});
