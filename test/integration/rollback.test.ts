/** Back to the version that was active before. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { putFixture } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { fixtures, useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

test('goes back, blue-green, and forth again', async () => {
  const folder = await supervise.tempDir();
  const { supervisor } = await supervise();
  await supervisor.load(await putFixture(folder, 'polite'));
  await supervisor.load(await putFixture(folder, 'polite', { version: '2.0.0' }));
  const running = supervisor.call('polite', 'sleep', [300]);
  expect(await supervisor.rollback('polite')).toMatchObject({ outcome: 'promoted', from: '2.0.0', to: '1.0.0' });
  expect(supervisor.status('polite').version).toBe('1.0.0');
  expect(await running).toBe(300);
  expect(await supervisor.rollback('polite')).toMatchObject({ from: '1.0.0', to: '2.0.0' });
  expect(await supervisor.call('polite', 'who')).toMatchObject({ version: '2.0.0' });
});

test('a reload in between does not count as a version', async () => {
  const folder = await supervise.tempDir();
  const { supervisor } = await supervise();
  await supervisor.load(await putFixture(folder, 'polite'));
  await supervisor.load(await putFixture(folder, 'polite', { version: '2.0.0' }));
  await supervisor.reload('polite');
  expect(await supervisor.rollback('polite')).toMatchObject({ from: '2.0.0', to: '1.0.0' });
});

test('with none to go back to is refused, and nothing changes', async () => {
  const { supervisor } = await supervise.fixture('polite');
  const { pid } = supervisor.status('polite');
  expect(await rejection(supervisor.rollback('polite'))).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND', plugin: 'polite' });
  expect(await rejection(supervisor.load(join(fixtures, 'health-fails')))).toMatchObject({ code: 'ERR_RELOAD_FAILED' });
  // A version that never became active is none to go back to.
  expect(await rejection(supervisor.rollback('polite'))).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND' });
  expect(supervisor.status('polite').pid).toBe(pid);
  expect(await rejection(supervisor.rollback('nobody'))).toMatchObject({ code: 'ERR_PLUGIN_NOT_FOUND' });
});
