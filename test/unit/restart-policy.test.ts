import { describe, expect, it, vi } from 'vitest';
import { RestartPolicy } from '../../src/supervision/restart-policy.ts';

const options = { maxRestarts: 5, periodMs: 60_000, backoffMs: 100, maxBackoffMs: 10_000 };
const mean = (): number => 0.5;
const restart = (delayMs: number): object => ({ kind: 'restart', delayMs });

describe('RestartPolicy', () => {
  it('restarts at once after a life of a second', () => {
    expect(new RestartPolicy(options, mean).next(0, 1000)).toEqual(restart(0));
  });

  it('doubles the delay over consecutive short lives, and begins anew after a long one', () => {
    const policy = new RestartPolicy({ ...options, maxRestarts: 100 }, mean);
    expect([10, 999, 10, 1000, 10].map((uptime, i) => policy.next(i, uptime))).toEqual([100, 200, 400, 0, 100].map(restart));
  });

  it('never waits longer than maxBackoffMs', () => {
    const policy = new RestartPolicy({ ...options, maxRestarts: 1000, maxBackoffMs: 700 }, () => 0.999_999);
    const delays = Array.from({ length: 500 }, (_, i) => policy.next(i, 0)).map((decision) => (decision.kind === 'restart' ? decision.delayMs : -1));
    expect(Math.max(...delays)).toBe(700);
    expect(Math.min(...delays)).toBeGreaterThan(0);
  });

  it('gives up at the restart that is one more than maxRestarts within periodMs', () => {
    const policy = new RestartPolicy(options, mean);
    for (let i = 0; i < 5; i++) expect(policy.next(i * 1000, 5000).kind).toBe('restart');
    expect(policy.next(59_999, 5000)).toEqual({ kind: 'give-up' });
    expect(policy.restarts).toBe(5);
  });

  it('goes on for ever when no period holds too many restarts', () => {
    const policy = new RestartPolicy(options, mean);
    for (let i = 0; i < 1000; i++) expect(policy.next(i * 12_000, 12_000)).toEqual(restart(0));
    expect(policy.restarts).toBe(1000);
  });

  it('gives up at the first death when maxRestarts is 0', () => {
    expect(new RestartPolicy({ ...options, maxRestarts: 0 }, mean).next(0, 1e9)).toEqual({ kind: 'give-up' });
  });

  it('takes time from its argument alone: a wall clock moved by a year changes nothing (F40)', () => {
    const policy = new RestartPolicy(options, mean);
    const dates = vi.spyOn(Date, 'now');
    try {
      for (let i = 0; i < 5; i++) {
        dates.mockReturnValue(i % 2 === 0 ? 0 : 1e15);
        expect(policy.next(i, 0).kind).toBe('restart');
      }
      expect(policy.next(5, 0)).toEqual({ kind: 'give-up' });
      expect(dates).not.toHaveBeenCalled();
    } finally {
      dates.mockRestore();
    }
  });
});
