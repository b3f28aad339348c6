import { describe, expect, it, vi } from 'vitest';
import { Breaker } from '../../../src/resilience/breaker.ts';

const defaults = {
  enabled: true,
  maxFailures: 3,
  resetIntervalMs: 1000,
  openMs: 500,
  halfOpenCalls: 2,
  failureRatio: null as number | null,
  minimumCalls: 10,
  slowCallMs: null as number | null,
};

function breakerWith(options: Partial<typeof defaults> = {}): { breaker: Breaker; changes: string[] } {
  const changes: string[] = [];
  return { breaker: new Breaker({ ...defaults, ...options }, (from, to) => changes.push(`${from} → ${to}`)), changes };
}

function fail(breaker: Breaker, now: number, times = 1): void {
  for (let i = 0; i < times; i++) breaker.record(breaker.admit(now), 'failure', now, 1);
}

function succeed(breaker: Breaker, now: number, times = 1): void {
  for (let i = 0; i < times; i++) breaker.record(breaker.admit(now), 'success', now, 1);
}

describe('a closed circuit', () => {
  it('opens at the failure that is number maxFailures within resetIntervalMs', () => {
    const { breaker, changes } = breakerWith();
    fail(breaker, 0, 2);
    expect(breaker.status(0)).toEqual({ state: 'closed', failures: 2, retryAfterMs: 0 });
    fail(breaker, 999);
    expect(changes).toEqual(['closed → open']);
    expect(breaker.status(999)).toEqual({ state: 'open', failures: 3, retryAfterMs: 500 });
  });

  it('forgets failures one by one as they leave the sliding window, and not because of successes', () => {
    const { breaker } = breakerWith();
    fail(breaker, 0);
    fail(breaker, 600);
    succeed(breaker, 700, 1000);
    fail(breaker, 1000);
    expect(breaker.status(1000)).toMatchObject({ state: 'closed', failures: 2 });
    fail(breaker, 1599);
    expect(breaker.status(1599).state).toBe('open');
  });

  it('counts a success that ran longer than slowCallMs as a failure', () => {
    const { breaker } = breakerWith({ slowCallMs: 100, maxFailures: 1 });
    breaker.record(breaker.admit(0), 'success', 100, 100);
    expect(breaker.status(0).state).toBe('closed');
    breaker.record(breaker.admit(0), 'success', 101, 101);
    expect(breaker.status(101).state).toBe('open');
  });

  it('never counts what is ignored', () => {
    const { breaker } = breakerWith({ maxFailures: 1, slowCallMs: 1 });
    for (let i = 0; i < 100; i++) breaker.record(breaker.admit(i), 'ignored', i, 1000);
    expect(breaker.status(100)).toMatchObject({ state: 'closed', failures: 0 });
  });

  it('admits always when it is not enabled', () => {
    const { breaker, changes } = breakerWith({ enabled: false, maxFailures: 1 });
    fail(breaker, 0, 100);
    expect(breaker.admit(0)).toBeGreaterThanOrEqual(0);
    expect(changes).toEqual([]);
  });
});

describe('a circuit with a failureRatio', () => {
  const options = { failureRatio: 0.5, minimumCalls: 10, maxFailures: 1 };

  it('opens at that share of failures, but not before minimumCalls', () => {
    const { breaker } = breakerWith(options);
    fail(breaker, 0, 9);
    expect(breaker.status(0)).toMatchObject({ state: 'closed', failures: 9 });
    fail(breaker, 0);
    expect(breaker.status(0).state).toBe('open');
  });

  it('stays closed below that share', () => {
    const { breaker } = breakerWith(options);
    for (let i = 0; i < 1000; i++) {
      succeed(breaker, i, 2);
      fail(breaker, i);
    }
    expect(breaker.status(1000).state).toBe('closed');
  });

  it('opens on the success that completes minimumCalls', () => {
    const { breaker } = breakerWith(options);
    fail(breaker, 0, 5);
    succeed(breaker, 0, 5);
    expect(breaker.status(0).state).toBe('open');
  });

  it('forgets calls as they leave the window', () => {
    const { breaker } = breakerWith(options);
    fail(breaker, 0, 9);
    succeed(breaker, 1000, 1);
    expect(breaker.status(1000)).toMatchObject({ state: 'closed', failures: 0 });
  });

  it('never opens without a failure, even at a ratio of 0', () => {
    const { breaker } = breakerWith({ ...options, failureRatio: 0 });
    succeed(breaker, 0, 100);
    expect(breaker.status(0).state).toBe('closed');
  });
});

describe('an open circuit', () => {
  it('refuses for openMs and says how long that still is', () => {
    const { breaker } = breakerWith();
    fail(breaker, 0, 3);
    expect(breaker.admit(499)).toBe(-1);
    expect(breaker.retryAfterMs(499)).toBe(1);
    expect(breaker.admit(500)).not.toBe(-1);
  });

  it('stays open until a call comes to probe it', () => {
    const { breaker, changes } = breakerWith();
    fail(breaker, 0, 3);
    expect(breaker.status(10_000)).toMatchObject({ state: 'open', retryAfterMs: 0 });
    breaker.admit(10_000);
    expect(changes).toEqual(['closed → open', 'open → half-open']);
  });

  it('is not changed by a late success or failure from before it opened', () => {
    const { breaker, changes } = breakerWith();
    const late = Array.from({ length: 100 }, () => breaker.admit(0));
    fail(breaker, 0, 3);
    for (const [i, generation] of late.entries()) breaker.record(generation, i % 2 === 0 ? 'success' : 'failure', 400, 400);
    expect(breaker.status(400)).toEqual({ state: 'open', failures: 3, retryAfterMs: 100 });
    expect(changes).toEqual(['closed → open']);
  });
});

describe('a half-open circuit', () => {
  it('admits exactly halfOpenCalls of a thousand waiting callers, and refuses the rest at once (F36)', () => {
    const { breaker } = breakerWith();
    fail(breaker, 0, 3);
    const admitted = Array.from({ length: 1000 }, () => breaker.admit(500)).filter((generation) => generation !== -1);
    expect(admitted).toHaveLength(2);
    expect(breaker.retryAfterMs(500)).toBeGreaterThan(0);
  });

  it('closes, with nothing counted, once all probes have succeeded', () => {
    const { breaker, changes } = breakerWith();
    fail(breaker, 0, 3);
    const probes = [breaker.admit(500), breaker.admit(500)];
    breaker.record(probes[0]!, 'success', 510, 10);
    expect(breaker.status(510).state).toBe('half-open');
    expect(breaker.admit(510)).toBe(-1);
    breaker.record(probes[1]!, 'success', 520, 20);
    expect(breaker.status(520)).toEqual({ state: 'closed', failures: 0, retryAfterMs: 0 });
    expect(changes.at(-1)).toBe('half-open → closed');
  });

  it('opens again for another openMs at the first probe that fails, also one that hung until its timeout (F36)', () => {
    const { breaker } = breakerWith();
    fail(breaker, 0, 3);
    const [hung, other] = [breaker.admit(500), breaker.admit(500)];
    expect(breaker.admit(30_000)).toBe(-1);
    breaker.record(hung, 'failure', 30_500, 30_000);
    expect(breaker.status(30_500)).toMatchObject({ state: 'open', retryAfterMs: 500 });
    breaker.record(other, 'success', 30_600, 30_100);
    expect(breaker.status(30_600).state).toBe('open');
  });

  it('lets another call probe when a probe says nothing', () => {
    const { breaker } = breakerWith();
    fail(breaker, 0, 3);
    const [first, second] = [breaker.admit(500), breaker.admit(500)];
    breaker.record(first, 'ignored', 510, 10);
    breaker.record(second, 'success', 510, 10);
    expect(breaker.status(510).state).toBe('half-open');
    const third = breaker.admit(520);
    expect(third).not.toBe(-1);
    expect(breaker.admit(520)).toBe(-1);
    breaker.record(third, 'success', 530, 10);
    expect(breaker.status(530).state).toBe('closed');
  });

  it('is not closed by successes of calls admitted before it opened (F36)', () => {
    const { breaker } = breakerWith();
    const late = [breaker.admit(0), breaker.admit(0), breaker.admit(0)];
    fail(breaker, 0, 3);
    breaker.admit(500);
    for (const generation of late) breaker.record(generation, 'success', 501, 501);
    expect(breaker.status(501).state).toBe('half-open');
  });
});

describe('an isolated circuit', () => {
  it('is held open until it is restored, whatever the time and the late results', () => {
    const { breaker, changes } = breakerWith();
    const late = breaker.admit(0);
    breaker.isolate(0);
    breaker.isolate(1);
    breaker.record(late, 'success', 10, 10);
    expect(breaker.admit(1e12)).toBe(-1);
    expect(breaker.status(1e12)).toEqual({ state: 'isolated', failures: 0, retryAfterMs: 0 });
    expect(breaker.retryAfterMs(1e12)).toBe(0);
    breaker.restore(1e12);
    expect(breaker.admit(1e12)).not.toBe(-1);
    expect(changes).toEqual(['closed → isolated', 'isolated → closed']);
  });

  it('comes back closed with nothing counted', () => {
    const { breaker } = breakerWith();
    fail(breaker, 0, 2);
    breaker.isolate(0);
    breaker.restore(0);
    expect(breaker.status(0)).toEqual({ state: 'closed', failures: 0, retryAfterMs: 0 });
  });

  it('can be had of a breaker that is not enabled', () => {
    const { breaker } = breakerWith({ enabled: false });
    breaker.isolate(0);
    expect(breaker.admit(0)).toBe(-1);
  });
});

it('takes time from its argument alone: a wall clock moved by an hour or a year changes nothing (F40)', () => {
  const dates = vi.spyOn(Date, 'now');
  try {
    const { breaker, changes } = breakerWith();
    for (const [i, wall] of [0, 3_600_000, -3_600_000, 31_536_000_000, -31_536_000_000, 0].entries()) {
      dates.mockReturnValue(wall);
      fail(breaker, i * 400);
    }
    expect(changes).toEqual(['closed → open', 'open → half-open', 'half-open → open']);
    expect(dates).not.toHaveBeenCalled();
  } finally {
    dates.mockRestore();
  }
});
