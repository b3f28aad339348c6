import { afterEach, describe, expect, test } from 'vitest';
import { Liveness, type LivenessOptions } from '../../src/instance/liveness.ts';
import type { PingResult } from '../../src/protocol/messages.ts';
import { deferred, type Deferred } from '../../src/util/deferred.ts';
import { until } from '../helpers/until.ts';

const running: Liveness[] = [];
afterEach(() => running.splice(0).forEach((liveness) => liveness.stop()));

class Watch {
  readonly pings: Deferred<unknown>[] = [];
  readonly pongs: PingResult[] = [];
  readonly silences: number[] = [];
  ticks = 0;
  lastReadAt = performance.now();

  constructor(options: Partial<LivenessOptions> = {}) {
    const liveness = new Liveness({
      intervalMs: 10,
      timeoutMs: 60,
      ping: () => {
        const ping = deferred<unknown>();
        this.pings.push(ping);
        return ping.promise;
      },
      lastReadAt: () => this.lastReadAt,
      processorTime: () => null,
      onTick: () => this.ticks++,
      onPong: (pong) => this.pongs.push(pong),
      onSilence: (ms) => this.silences.push(ms),
      ...options,
    });
    running.push(liveness);
  }
}

const untilSilent = (watch: Watch): Promise<void> => until('silence', () => watch.silences.length > 0);

describe('liveness', () => {
  test('a child that answers nothing is silent once, after the timeout, and is asked no more', async () => {
    const watch = new Watch();
    await untilSilent(watch);
    expect(watch.silences[0]).toBeGreaterThanOrEqual(59);
    expect(watch.pings).toHaveLength(1);
    const { ticks } = watch;
    const later = performance.now() + 30;
    await until('three more intervals', () => performance.now() > later);
    expect([watch.silences.length, watch.ticks]).toEqual([1, ticks]);
  });

  test('one that answers is asked again, one ping at a time', async () => {
    const watch = new Watch();
    for (let i = 1; i <= 3; i++) {
      await until('a ping', () => watch.pings.length === i);
      const { ticks } = watch;
      await until('two more ticks', () => watch.ticks >= ticks + 2);
      expect(watch.pings).toHaveLength(i);
      watch.pings[i - 1]!.resolve({ rssBytes: i, eventLoopDelayMs: 1, cpuMs: 2 });
    }
    await until('the pongs', () => watch.pongs.length === 3);
    expect(watch.pongs).toEqual([1, 2, 3].map((rssBytes) => ({ rssBytes, eventLoopDelayMs: 1, cpuMs: 2 })));
    expect(watch.silences).toEqual([]);
  });

  test('one that says anything at all is alive, however late its pong', async () => {
    const watch = new Watch();
    const enough = performance.now() + 200;
    await until('200 ms of talk', () => {
      watch.lastReadAt = performance.now();
      return performance.now() > enough;
    });
    expect(watch.silences).toEqual([]);
    // Counted from the last word.
    const lastWord = watch.lastReadAt;
    await untilSilent(watch);
    expect(performance.now() - lastWord).toBeGreaterThanOrEqual(59);
  });

  test('a refused ping is an answer', async () => {
    const watch = new Watch();
    for (let i = 0; i < 3; i++) {
      await until('a ping', () => watch.pings.length === i + 1);
      watch.pings[i]!.reject(new Error('no such method'));
    }
    expect(watch.silences).toEqual([]);
  });

  test('time in which our own loop stood still is not held against the child', async () => {
    const watch = new Watch();
    await until('a ping', () => watch.pings.length === 1);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    await new Promise((resolve) => setImmediate(resolve));
    expect(watch.silences).toEqual([]);
    watch.pings[0]!.resolve({});
    await until('another ping', () => watch.pings.length === 2);
    expect(watch.silences).toEqual([]);
  });

  test.each([null, 5, 'x', [1], { rssBytes: '1', cpuMs: {}, eventLoopDelayMs: null, more: 1 }])(
    'of a pong such as %j nothing is believed',
    async (pong) => {
      const watch = new Watch();
      await until('a ping', () => watch.pings.length === 1);
      watch.pings[0]!.resolve(pong);
      await until('the pong', () => watch.pongs.length === 1);
      expect(watch.pongs).toEqual([{}]);
    },
  );
});
