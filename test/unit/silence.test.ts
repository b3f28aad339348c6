import { describe, expect, test } from 'vitest';
import { Silence } from '../../src/instance/silence.ts';
import type { ProcessorTime } from '../../src/process/processor.ts';

const TIMEOUT_MS = 800;

/** Looks at a child whenever a look is due, `lateMs` later, until its silence was too long; returns how long that took. */
function watch(child: { lateMs?: number; saysAt?: number; time?: (now: number) => ProcessorTime | null }): number {
  const silence = new Silence(TIMEOUT_MS, 0);
  for (let now = 0; now < 100_000;) {
    now += silence.untilNextMs + (child.lateMs ?? 0);
    const saidAt = child.saysAt !== undefined && child.saysAt <= now ? child.saysAt : -1;
    if (silence.isTooLong(now, saidAt, child.time?.(now) ?? null)) return now;
  }
  return Infinity;
}

/** A child that runs for this share of the time and waits for a processor in the rest. */
const running =
  (share: number) =>
  (now: number): ProcessorTime => ({ ranMs: now * share, waitedMs: now * (1 - share), isRunnable: true });

describe('the silence of a child', () => {
  test('is too long after the timeout, counted from the ping or from the last byte read', () => {
    expect(watch({})).toBeCloseTo(TIMEOUT_MS, 0);
    expect(watch({ saysAt: 350 })).toBeCloseTo(350 + TIMEOUT_MS, 0);
  });

  test('counts no time in which our own loop stood still', () => {
    const silence = new Silence(TIMEOUT_MS, 0);
    expect(silence.isTooLong(5_000, -1, null)).toBe(false);
    expect(silence.isTooLong(5_000 + TIMEOUT_MS / 2, -1, null)).toBe(false);
    expect(watch({ lateMs: 500 })).toBeGreaterThan(8 * 500);
  });

  test('counts the time of a child that has a processor for most of it, and of one that sleeps', () => {
    expect(watch({ time: running(1) })).toBeCloseTo(TIMEOUT_MS, 0);
    expect(watch({ time: running(0.6) })).toBeCloseTo(TIMEOUT_MS, 0);
    expect(watch({ time: () => ({ ranMs: 5, waitedMs: 5, isRunnable: false }) })).toBeCloseTo(TIMEOUT_MS, 0);
  });

  test('counts no time in which a child waited for a processor that had one for less than half of it', () => {
    // Its wait before the first look is not known.
    expect(watch({ time: running(0.25) })).toBeGreaterThan(TIMEOUT_MS * 3.5);
    expect(watch({ time: running(0.25) })).toBeLessThan(TIMEOUT_MS * 4);
  });

  test('is not over while the child has waited since the look before, though the system does not say so yet', () => {
    const stuckUntil = 3_000;
    const time = (now: number): ProcessorTime => ({
      ranMs: Math.max(10, now - stuckUntil),
      waitedMs: now < stuckUntil ? 0 : stuckUntil,
      isRunnable: true,
    });
    expect(watch({ time })).toBeGreaterThan(stuckUntil);
  });

  test('is too long after ten times the timeout, however busy the machine', () => {
    expect(watch({ time: running(0.001) })).toBeCloseTo(10 * TIMEOUT_MS, -2);
  });
});
