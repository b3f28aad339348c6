import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LoadOptions, PluginOptions, RolloutResult } from '../../src/index.ts';
import { putFiles } from '../helpers/put-plugin.ts';
import { rejection } from '../helpers/rejection.ts';
import { ourChildren, useSupervisors, type Watched } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();

interface Code {
  init?: string;
  onQuiesce?: string;
  /** Whether it has one. */
  onResume?: boolean;
  /** Whether `who`, which is idempotent, is never answered. */
  isHung?: boolean;
}

interface Ports extends Watched {
  /** Puts a version that writes down what it is asked; `init` and `onQuiesce` are the code of it. */
  load(version: string, code?: Code, options?: LoadOptions): Promise<RolloutResult>;
  call(method: string, ...args: unknown[]): Promise<unknown>;
  roles(): string[];
}

async function begin(options: PluginOptions = {}): Promise<Ports> {
  const folder = await supervise.tempDir();
  const watched = await supervise({ defaults: { rollout: { strategy: 'exclusive' }, ...options } });
  const { supervisor } = watched;
  const ports: Ports = {
    ...watched,
    async load(version, { init = '', onQuiesce = '', onResume = true, isHung = false } = {}, asked = {}) {
      const dir = await putFiles(join(folder, version), {
        'package.json': JSON.stringify({ name: 'port', version, type: 'module', main: 'index.js' }),
        'index.js': `
          const asked = [];
          export default {
            async init({ state }) { asked.push('init', state ?? null); ${init} },
            async onQuiesce() { asked.push('quiesce'); ${onQuiesce}; return '${version}'; },
            ${onResume ? `onResume(state) { asked.push('resume', state); },` : ''}
            methods: {
              asked: () => asked,
              who: Object.defineProperty(
                () => ${isHung ? 'new Promise(() => {})' : `'${version}'`},
                Symbol.for('chameleon-supervisor.method'),
                { value: { idempotent: true } },
              ),
              take: (ms) => new Promise((resolve) => setTimeout(resolve, ms, '${version}')),
            },
          };`,
      });
      return supervisor.load(dir, asked);
    },
    call: (method, ...args) => supervisor.call('port', method, args),
    roles: () => supervisor.status('port').versions.map(({ version, role }) => `${version} ${role}`),
  };
  await ports.load('1.0.0');
  return ports;
}

const hangs = 'await new Promise(() => {});';
const takes = (ms: number): string => `await new Promise((resolve) => setTimeout(resolve, ${ms}));`;

describe('the strategy exclusive', () => {
  test('does not ask a version to let go any more that was too busy for it, and leaves it its calls', async () => {
    const { supervisor, call, load } = await begin({ drainTimeoutMs: 200 });
    const { pid } = supervisor.status('port');
    const long = call('take', 800);
    expect(await rejection(load('2.0.0'))).toMatchObject({ cause: { code: 'ERR_QUIESCE_FAILED' } });
    expect(await long).toBe('1.0.0');
    expect(await call('asked')).toEqual(['init', null]);
    expect(supervisor.status('port').pid).toBe(pid);
  });

  test('starts a version afresh whose onQuiesce() hangs', async () => {
    const { supervisor, call, load, roles } = await begin({ drainTimeoutMs: 300, restart: { maxRestarts: 0 } });
    await load('2.0.0', { onQuiesce: hangs });
    const { pid } = supervisor.status('port');
    expect(await rejection(load('3.0.0'))).toMatchObject({ cause: { code: 'ERR_QUIESCE_FAILED' } });
    expect(await call('asked')).toEqual(['init', null]);
    expect(supervisor.status('port').pid).not.toBe(pid);
    expect(roles()).toContain('2.0.0 active');
  });

  test.each([
    ['has failed', { maxRestarts: 0 }],
    ['waits for its next start', { maxRestarts: 5, backoffMs: 60_000, maxBackoffMs: 60_000 }],
  ])('replaces a version that %s', async (state, restart) => {
    const { supervisor, call, load, events } = await begin({ restart });
    // It can be started once.
    await load('2.0.0', { init: "(await import('node:fs')).writeFileSync(`${import.meta.filename}.once`, '', { flag: 'wx' });" });
    await supervisor.unload('port', { version: '1.0.0' });
    process.kill(supervisor.status('port').pid!, 'SIGKILL');
    const down = state === 'has failed' ? 'failed' : 'restarting';
    await until(`it ${state}`, () => supervisor.status('port').versions[0]!.state === down);
    expect(await load('3.0.0')).toMatchObject({ outcome: 'promoted', from: '2.0.0', to: '3.0.0' });
    expect(await call('who')).toBe('3.0.0');
    expect(events.filter(({ kind }) => kind === 'reload-failed')).toEqual([]);
  });

  test('serves on where one hand-over after the other is called off, also with a version that takes nothing up again', async () => {
    const { supervisor, call, load } = await begin();
    await load('2.0.0', { onResume: false, init: takes(200) });
    const superseded: Promise<unknown>[] = [];
    for (const version of ['3.0.0', '4.0.0', '5.0.0']) {
      superseded.push(rejection(load(version, { init: hangs }, { supersede: true })));
      await until('its turn has come', () => supervisor.status('port').rollout?.to === version);
    }
    superseded.push(rejection(load('6.0.0', { init: 'throw new Error()' }, { supersede: true })));
    await Promise.all(superseded);
    expect(await call('who')).toBe('2.0.0');
  });

  test('tells calls at once that asked for the version which let go', async () => {
    const { supervisor, load } = await begin();
    const rollout = load('2.0.0', { init: takes(300) });
    await until('it is being replaced', () => supervisor.status('port').rollout?.phase === 'probing');
    const call = rejection(supervisor.call('port@^1', 'who'));
    await rollout;
    expect(await call).toMatchObject({ code: 'ERR_VERSION_NOT_FOUND' });
  });

  test('starts no other process of a version that has let go', async () => {
    const { events, load } = await begin({ maxAgeMs: 500, rollout: { strategy: 'exclusive', holdMs: 1_000 } });
    await load('2.0.0');
    await until('the hold is over', () => events.some((event) => event.kind === 'rollout-phase' && event.phase === 'retired'));
    expect(events.filter((event) => event.kind === 'instance-starting' && event.version === '1.0.0')).toHaveLength(1);
  });

  test('has one hand-over at a time: a rollout right after a rollback waits until that is done', async () => {
    const { supervisor, call, load, roles } = await begin();
    await load('2.0.0', { onQuiesce: takes(500) });
    await supervisor.rollback('port');
    expect(roles()).toEqual(['1.0.0 active', '2.0.0 leaving']);
    await load('3.0.0');
    expect(await call('asked')).toEqual(['init', '1.0.0']);
    await supervisor.rollback('port');
    expect(await call('asked')).toEqual(['init', null, 'quiesce', 'resume', '2.0.0', 'quiesce', 'resume', '3.0.0']);
  });

  test('has idempotent calls of a version that hangs answered by the one that is gone back to', async () => {
    const { supervisor, load } = await begin({ drainTimeoutMs: 300 });
    await load('2.0.0', { isHung: true });
    const calls = Array.from({ length: 5 }, () => supervisor.call('port', 'who'));
    await supervisor.rollback('port');
    expect(await Promise.all(calls)).toEqual(calls.map(() => '1.0.0'));
  });

  test('leaves nothing running when it is closed while it goes back', async () => {
    const { supervisor, load } = await begin();
    await load('2.0.0', { onQuiesce: hangs });
    await supervisor.rollback('port');
    await supervisor.close({ drainTimeoutMs: 0 });
    expect(await ourChildren()).toEqual([]);
  });

  test('gives calls that wait to the old version when it is closed meanwhile', async () => {
    const { supervisor, call, load } = await begin();
    const rollout = rejection(load('2.0.0', { init: hangs }));
    await until('it is being replaced', () => supervisor.status('port').rollout?.phase === 'probing');
    const waiting = call('who');
    expect(await supervisor.close()).toMatchObject({ abandonedCalls: 0 });
    expect(await waiting).toBe('1.0.0');
    expect(await rollout).toMatchObject({ code: 'ERR_SUPERVISOR_CLOSED' });
  });
});
