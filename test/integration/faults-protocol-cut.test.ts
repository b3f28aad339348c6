/** Faults F21 and F22: the channel is cut, by a child that closes it and by one that dies amid a thousand calls. */
import { expect } from 'vitest';
import type { PluginCrashedError, PluginOptions } from '../../src/index.ts';
import { Ledger } from '../helpers/ledger.ts';
import { rejection } from '../helpers/rejection.ts';
import { rounds } from '../helpers/rounds.ts';
import { useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const patient: PluginOptions = {
  poisonAfter: 0,
  breaker: { enabled: false },
  restart: { maxRestarts: 1_000, backoffMs: 1, maxBackoffMs: 1 },
};

rounds('F21 a child that closes its channel but lives is a crash at once, and killed', async ({ begin, random }) => {
  const watched = await supervise.fixture('raw-channel', patient);
  const { supervisor } = watched;
  const check = await begin(watched);
  const closed: number[] = [];
  const killed: number[] = [];
  const longer = (): number => Math.min(...closed) - Math.min(...killed);
  // What a plain death takes to be noticed is the machine's, and others run on it: the best of some tries is ours.
  for (let tries = 0; tries < 2 || (longer() >= 100 && tries < 15); tries++) {
    await random.moment(0, 50);
    let begun = performance.now();
    const { exit } = await rejection<PluginCrashedError>(supervisor.call('raw-channel', 'closeChannel'));
    closed.push(performance.now() - begun);
    expect(exit).toMatchObject({ cause: 'channel-closed', detail: 'it closed its channel and lived on', signal: 'SIGKILL' });
    await supervisor.call('raw-channel', 'echo', [1]);
    const running = rejection(supervisor.call('raw-channel', 'bytes', ['']));
    begun = performance.now();
    process.kill(supervisor.status('raw-channel').pid!, 'SIGKILL');
    await running;
    killed.push(performance.now() - begun);
    await supervisor.call('raw-channel', 'echo', [1]);
  }
  expect(longer()).toBeLessThan(100);
  await check.end({ faults: closed.length + killed.length });
});

rounds('F22 of a kill amid a thousand calls no broken pipe is heard, and every call settles once', async ({ begin, random }) => {
  const CALLS = 1_000;
  const ledger = await Ledger.begin(supervise, 'ledger', { ...patient, concurrency: CALLS, maxQueue: 2 * CALLS }, random.stream());
  const { supervisor } = ledger.watched;
  const check = await begin(ledger);
  // At once, while they are being written, and while they are answered.
  const moments = random.shuffled([0, random.between(1, 4), random.between(5, 30)]);
  for (const afterMs of moments) {
    const { pid } = supervisor.status('ledger');
    const calls = ledger.calls(CALLS, 'once', random.between(0, 10));
    const due = performance.now() + afterMs;
    await until('the moment', () => performance.now() >= due);
    process.kill(pid!, 'SIGKILL');
    for (const { error } of await calls) {
      if (error !== null) expect(error).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true, exit: { signal: 'SIGKILL' } });
    }
    await until('it is replaced', () => ![null, pid].includes(supervisor.status('ledger').pid));
  }
  await check.end({ faults: moments.length });
});

rounds('F22 calls that were never written are sent to the next instance, and only the others are lost', async ({ begin, random }) => {
  const watched = await supervise.fixture('raw-channel', { ...patient, concurrency: 1_000, maxQueue: 2_000 });
  const { supervisor } = watched;
  const check = await begin(watched);
  const { pid } = supervisor.status('raw-channel');
  const size = random.between(12_000, 20_000);
  // It reads no more, so that most of 16 MiB cannot leave us.
  process.kill(pid!, 'SIGSTOP');
  const calls = Array.from({ length: 1_000 }, (_, i) => supervisor.call('raw-channel', 'echo', [`${i}`.padEnd(size)], { timeoutMs: 20_000 }));
  const outcomes = Promise.allSettled(calls);
  await until('they are under way', () => supervisor.status('raw-channel').inFlight === 1_000);
  // Meanwhile the pipe fills up.
  await random.moment(100, 200);
  process.kill(pid!, 'SIGKILL');
  const results = await outcomes;
  const lost = results.filter((result) => result.status === 'rejected');
  for (const { reason } of lost) expect(reason).toMatchObject({ code: 'ERR_PLUGIN_CRASHED', maybeExecuted: true });
  // About a mebibyte is handed to the pipe at a time.
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.length).toBeLessThan(200);
  results.forEach((result, i) => result.status === 'fulfilled' && expect(result.value).toBe(`${i}`.padEnd(size)));
  await check.end({ faults: 1 });
});
