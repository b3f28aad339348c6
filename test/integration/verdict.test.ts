/** A version on trial is judged by what it does, not by what the machine, its callers or what it depends on do meanwhile. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReloadFailedError, Supervisor, SupervisorEvent } from '../../src/index.ts';
import { burn } from '../helpers/burners.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';
import { Traffic } from '../helpers/versions.ts';

const supervise = useSupervisors();

/** A version of a plugin whose methods take `sleepMs`, and that fails while the file `down` is there. */
function version(folder: string, number: string, sleepMs: number): Promise<string> {
  return putFiles(join(folder, number), {
    'package.json': JSON.stringify({ name: 'judged', version: number, type: 'module', main: 'index.js' }),
    'index.js': `
      import { existsSync } from 'node:fs';
      import { setTimeout as sleep } from 'node:timers/promises';
      const declare = (info, fn) => Object.defineProperty(fn, Symbol.for('chameleon-supervisor.method'), { value: info });
      const work = async () => {
        if (existsSync(${JSON.stringify(join(folder, 'down'))})) throw new Error('the database is down');
        await sleep(${sleepMs});
        return ${JSON.stringify(number)};
      };
      export default { methods: {
        work,
        read: declare({ readonly: true }, () => work()),
        again: declare({ idempotent: true }, () => work()),
        report: declare({ readonly: true }, () => sleep(300)),
        instant: () => ${JSON.stringify(number)},
      } };`,
  });
}

async function begin(sleepMs: number): Promise<Watched & { folder: string; taken: string[]; put(number: string, ms: number): Promise<string> }> {
  const folder = await supervise.tempDir();
  const watched = await supervise();
  const taken: string[] = [];
  watched.supervisor.on('rolled-back', ({ result }: Extract<SupervisorEvent, { kind: 'rolled-back' }>) => void taken.push(`${result.reason}`));
  await watched.supervisor.load(await version(folder, '1.0.0', sleepMs));
  return { ...watched, folder, taken, put: (number, ms) => version(folder, number, ms) };
}

const calls = (supervisor: Supervisor, method: string, workers = 16): Traffic => new Traffic(() => supervisor.call('judged', method), workers);

test.each(['instant', 'read', 'work'])(
  'a version that is as fast as the old one (%s) is not taken back when the machine becomes busy',
  async (method) => {
    const { supervisor, taken, put } = await begin(10);
    const traffic = calls(supervisor, method);
    await until('the old one is known', () => traffic.answers.length > 50);
    const end = burn(10);
    try {
      for (let i = 2; i < 4; i++) {
        await supervisor.load(await put(`${i}.0.0`, 10));
        const before = traffic.answers.length;
        const switchedAt = performance.now();
        await until('it was judged', () => traffic.answers.length > before + 60 && performance.now() > switchedAt + 700, 30_000);
      }
    } finally {
      end();
      await traffic.stop();
    }
    expect(taken).toEqual([]);
    expect(supervisor.status('judged').version).toBe('3.0.0');
  },
  90_000,
);

test.each(['read', 'work'])('a version that is several times slower (%s) is taken back', async (method) => {
  const { supervisor, taken, put } = await begin(20);
  const traffic = calls(supervisor, method);
  await until('the old one is known', () => traffic.answers.length > 50);
  await supervisor.load(await put('2.0.0', 200));
  await until('it is taken back', () => taken.length > 0);
  await traffic.stop();
  expect(taken).toEqual(['slow']);
  expect(supervisor.status('judged').version).toBe('1.0.0');
});

test('a slower version is taken back on a busy machine too, where both can be asked the same', async () => {
  const { supervisor, taken, put } = await begin(20);
  const end = burn(8);
  const traffic = calls(supervisor, 'read');
  try {
    await until('the old one is known', () => traffic.answers.length > 50);
    await supervisor.load(await put('2.0.0', 250));
    await until('it is taken back', () => taken.length > 0, 20_000);
  } finally {
    end();
    await traffic.stop();
  }
  expect(taken).toEqual(['slow']);
});

test('a slower version is noticed in a canary on a busy machine', async () => {
  const { supervisor, put } = await begin(20);
  const end = burn(8);
  const traffic = calls(supervisor, 'work');
  try {
    const canary = { percent: 50, forMs: 60_000 };
    const error = await rejection<ReloadFailedError>(supervisor.load(await put('2.0.0', 250), { rollout: { canary } }));
    expect(error.result).toMatchObject({ outcome: 'rolled-back', reason: 'slow' });
  } finally {
    end();
    await traffic.stop();
  }
});

test('a version is not taken back for calls of a slow method that begin only after the switch', async () => {
  const { supervisor, taken, put } = await begin(1);
  const fast = calls(supervisor, 'work', 4);
  await until('the old one is known', () => fast.answers.length > 50);
  await supervisor.load(await put('2.0.0', 1));
  const slow = calls(supervisor, 'report', 30);
  await until('it was judged', () => slow.answers.length > 90);
  await Promise.all([fast.stop(), slow.stop()]);
  expect(taken).toEqual([]);
});

test('a version is not taken back for what fails on the old version too', async () => {
  const { supervisor, folder, taken, put } = await begin(1);
  const traffic = calls(supervisor, 'again', 2);
  await until('the old one is known', () => traffic.answers.length > 50);
  await supervisor.load(await put('2.0.0', 1), { options: { breaker: { openMs: 100 } } });
  const before = traffic.answers.length;
  await until('it serves', () => traffic.answers.length > before + 30);
  await putFiles(folder, { down: '' });
  await until('many failed', () => traffic.errors.length > 40);
  await traffic.stop();
  expect(taken).toEqual([]);
  expect(supervisor.status('judged').version).toBe('2.0.0');
});
