/** Starting and stopping, dying and coming back, over and over: nothing is left of it. `npm run cycles` does a thousand of each. */
import { expect, test } from 'vitest';
import { cycles, runCycles } from '../../scripts/cycles.ts';
import { useSupervisors } from '../helpers/supervise.ts';

const supervise = useSupervisors();

test.each(Object.keys(cycles) as (keyof typeof cycles)[])(
  'after forty cycles of %s no process, descriptor, listener or timer is left, and memory is what it was',
  async (name) => {
    const report = await runCycles(name, { count: 40, warmUp: 12, lanes: 4 });
    // Of so few cycles the resident memory says nothing: it has not come to rest. The heap has.
    expect(report.left.filter((each) => !each.startsWith('rssBytes'))).toEqual([]);
  },
);

test('a call that is made on hearing of a death is served by the next child, and does not wait for its deadline', async () => {
  const { supervisor } = await supervise.fixture('worker', { restart: { backoffMs: 0, maxBackoffMs: 0 } });
  const answered = new Promise<unknown>((resolve) => {
    supervisor.once('instance-crashed', () => resolve(supervisor.call('worker', 'pid', [], { timeoutMs: 10_000 })));
  });
  const { pid } = supervisor.status('worker');
  process.kill(pid!, 'SIGKILL');
  const next = await answered;
  expect(next).toBe(supervisor.status('worker').pid);
  expect(next).not.toBe(pid);
});
