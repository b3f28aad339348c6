/** A child that has lived long enough, or done enough, is replaced by a fresh one while calls go on. (By memory: F30.) */
import { expect, test } from 'vitest';
import type { PluginOptions } from '../../src/index.ts';
import type { ReplaceReason } from '../../src/events.ts';
import { Invariants } from '../helpers/invariants.ts';
import { Ledger } from '../helpers/ledger.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const REPLACEMENTS = 5;

test.each<[string, PluginOptions, ReplaceReason, 'idle' | 'under load']>([
  ['maxAgeMs', { maxAgeMs: 400 }, 'max-age', 'idle'],
  ['maxAgeMs', { maxAgeMs: 400 }, 'max-age', 'under load'],
  ['maxCalls', { maxCalls: 150 }, 'max-calls', 'idle'],
  ['maxCalls', { maxCalls: 150 }, 'max-calls', 'under load'],
])('%s %o replaces child after child (%s), and no call fails nor runs twice, %s', async (_, options, reason, load) => {
  const ledger = await Ledger.begin(supervise, 'ledger', { concurrency: 8, ...options });
  const { watched } = ledger;
  const { supervisor } = watched;
  const first = supervisor.status('ledger').pid;
  const check = await Invariants.begin(watched, load);
  const replaced = (): number => check.events('instance-stopped').length;
  await until(
    'it is replaced several times, with calls all the while',
    async () => {
      await ledger.calls(4, 'once', ledger.random(4));
      return replaced() >= REPLACEMENTS;
    },
    20_000,
  );
  const settled = await ledger.verify();
  expect(settled.filter(({ error }) => error !== null)).toEqual([]);
  const pids = [...new Set(settled.map(({ result }) => Number(String(result).split(' ')[2])))];
  expect(pids[0]).toBe(first);
  expect(pids.length).toBeGreaterThan(REPLACEMENTS);
  if (options.maxCalls !== undefined) {
    // It serves on until its successor is ready, so it does more than its share, but never less.
    for (const pid of pids.slice(0, REPLACEMENTS)) {
      const done = settled.filter(({ result }) => Number(String(result).split(' ')[2]) === pid).length;
      expect(done).toBeGreaterThanOrEqual(options.maxCalls!);
    }
  }
  for (const event of check.events('instance-replacing')) expect(event).toMatchObject({ plugin: 'ledger', reason });
  expect(check.events('instance-crashed', 'instance-start-failed', 'restart-scheduled')).toEqual([]);
  expect(supervisor.status('ledger')).toMatchObject({ restarts: 0 });
  await supervisor.unload('ledger');
  await check.end({ faults: check.events('instance-replacing').length, kinds: ['instance-replacing'], instances: { ledger: 0 } });
});
