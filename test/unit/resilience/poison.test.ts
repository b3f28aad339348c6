import { describe, expect, test } from 'vitest';
import { PoisonList } from '../../../src/resilience/poison.ts';

const list = (poisonAfter = 3, poisonMs = 1_000) => new PoisonList({ poisonAfter, poisonMs });

describe('poison', () => {
  test('a call is refused from its third death in a row, for its time and no longer', () => {
    const poison = list();
    expect([poison.died('a', 0), poison.died('a', 1), poison.refusal('a', 2), poison.died('a', 3)]).toEqual([0, 0, null, 3]);
    expect(poison.refusal('a', 4)).toEqual({ deaths: 3, retryAfterMs: 999 });
    expect(poison.refusal('a', 1_003)).toBeNull();
  });

  test('once its time is over, one more death refuses it again', () => {
    const poison = list();
    for (const now of [0, 1, 2]) poison.died('a', now);
    expect(poison.died('a', 2_000)).toBe(4);
    expect(poison.refusal('a', 2_001)).toMatchObject({ deaths: 4 });
  });

  test('a success clears what only happened to be in flight', () => {
    const poison = list();
    poison.died('a', 0);
    poison.died('a', 1);
    poison.succeeded('a');
    expect(poison.died('a', 2)).toBe(0);
  });

  test('calls are told apart, and nothing is remembered while nothing dies', () => {
    const poison = list(1);
    expect(poison.isEmpty).toBe(true);
    poison.died('a', 0);
    expect([poison.refusal('a', 1) === null, poison.refusal('b', 1) === null]).toEqual([false, true]);
    expect(poison.refused(1)).toEqual([{ key: 'a', deaths: 1, retryAfterMs: 999 }]);
    poison.clear();
    expect(poison.isEmpty).toBe(true);
  });

  test('with poisonAfter 0 nothing is ever poisonous', () => {
    const poison = list(0);
    for (let now = 0; now < 10; now++) expect(poison.died('a', now)).toBe(0);
    expect(poison.isEmpty).toBe(true);
  });

  test('the memory is bounded: of 5,000 suspects the newest thousand are known', () => {
    const poison = list(1, 1e9);
    for (let i = 0; i < 5_000; i++) poison.died(`call ${i}`, i);
    expect(poison.refused(5_000)).toHaveLength(1_000);
    expect([poison.refusal('call 3999', 5_000) === null, poison.refusal('call 4000', 5_000) === null]).toEqual([true, false]);
  });
});
