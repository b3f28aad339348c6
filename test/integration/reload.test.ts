/** The same version in a fresh child, blue-green. What goes wrong with it stands in faults-reload.test.ts. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { linesOf } from '../helpers/lines.ts';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

test('takes a fresh child, lets the old one finish its calls and free itself', async () => {
  const freed = join(await supervise.tempDir(), 'freed');
  const { supervisor, events } = await supervise.fixture('polite', { options: { freed } });
  const { pid } = supervisor.status('polite');
  const running = supervisor.call('polite', 'sleep', [400]);
  expect(await supervisor.reload('polite')).toMatchObject({ outcome: 'promoted', plugin: 'polite', from: '1.0.0', to: '1.0.0' });
  expect(supervisor.status('polite').pid).not.toBe(pid);
  // While it drains, the old child is seen.
  expect(supervisor.status('polite').versions.map(({ state, active }) => [state, active])).toEqual([
    ['running', true],
    ['draining', false],
  ]);
  expect(await running).toBe(400);
  await until('the old child is gone', () => supervisor.status('polite').versions.length === 1);
  expect(linesOf(freed)).toEqual(['freed 1.0.0']);
  expect(events.flatMap((event) => (event.kind === 'instance-stopped' ? [[event.exit.pid, event.exit.code, event.exit.cause]] : []))).toEqual([
    [pid, 0, 'stopped'],
  ]);
});

test('calls that wait go to the new child, before those that come later', async () => {
  const { supervisor } = await supervise.fixture('polite', { concurrency: 1 });
  const ledger = join(await supervise.tempDir(), 'ledger');
  const old = supervisor.status('polite').pid;
  const running = supervisor.call('polite', 'sleep', [1_500]);
  const waiting = ['a', 'b', 'c'].map((text) => supervisor.call('polite', 'mark', [ledger, text]));
  const who = supervisor.call('polite', 'who');
  await supervisor.reload('polite');
  expect(await who).toMatchObject({ pid: supervisor.status('polite').pid });
  expect(supervisor.status('polite').pid).not.toBe(old);
  await Promise.all(waiting);
  expect(linesOf(ledger)).toEqual(['a', 'b', 'c']);
  expect(await running).toBe(1_500);
});

test('runs the code that is on disk now', async () => {
  const dir = await putFixture(await supervise.tempDir(), 'throws');
  const { supervisor } = await supervise();
  await supervisor.load(dir);
  const file = join(dir, 'index.js');
  await writeFile(file, (await readFile(file, 'utf8')).replace("return 'ok'", "return 'better'"));
  expect(await supervisor.call('throws', 'ok')).toBe('ok');
  await supervisor.reload('throws');
  expect(await supervisor.call('throws', 'ok')).toBe('better');
});

test('several at once happen one after the other', async () => {
  const { supervisor, events } = await supervise.fixture('polite');
  await Promise.all([supervisor.reload('polite'), supervisor.reload('polite'), supervisor.reload('polite')]);
  const lives = events.flatMap((event) => (event.kind === 'instance-ready' || event.kind === 'plugin-activated' ? [event.kind] : []));
  expect(lives.slice(2)).toEqual(Array.from({ length: 3 }, () => ['instance-ready', 'plugin-activated']).flat());
});

test('of a plugin that is not there is refused', async () => {
  const { supervisor } = await supervise.fixture('polite');
  expect(await rejection(supervisor.reload('impolite'))).toMatchObject({ code: 'ERR_PLUGIN_NOT_FOUND', available: ['polite'] });
});
