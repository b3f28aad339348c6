import { expect, test } from 'vitest';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

test.each([
  ['fairBy: key', 'key' as const],
  ['first in, first out', null],
])('with %s a caller with one call waits for a share of those of a caller who floods, or for all of them', async (_, fairBy) => {
  const { supervisor } = await supervise.fixture('worker', { concurrency: 2, fairBy });
  const order: string[] = [];
  const call = (key: string): Promise<unknown> => supervisor.call('worker', 'work', [], { key }).then(() => order.push(key));
  const calls = [...Array.from({ length: 100 }, () => call('flood')), call('modest')];
  await Promise.all(calls);
  // Two that run, one whose turn it was, and one that may end in the same moment.
  if (fairBy === 'key') expect(order.indexOf('modest')).toBeLessThanOrEqual(4);
  else expect(order.indexOf('modest')).toBeGreaterThanOrEqual(99);
});
