import { describe, expect, it } from 'vitest';
import { CAP, RESERVE, RetryBudget } from '../../../src/resilience/retry.ts';

function granted(budget: RetryBudget, most = 10_000): number {
  let count = 0;
  while (count < most && budget.withdraw()) count++;
  return count;
}

function budgetAfter(ratio: number, deposits: number): RetryBudget {
  const budget = new RetryBudget(ratio);
  for (let i = 0; i < deposits; i++) budget.deposit();
  return budget;
}

describe('RetryBudget', () => {
  it('lets a plugin that is seldom called retry out of a small reserve', () => {
    expect(granted(new RetryBudget(0.1))).toBe(RESERVE);
  });

  it('grants exactly one retry for ten first attempts at a ratio of 0.1', () => {
    const budget = new RetryBudget(0.1);
    granted(budget);
    for (let i = 0; i < 9; i++) budget.deposit();
    expect(budget.withdraw()).toBe(false);
    budget.deposit();
    expect(budget.withdraw()).toBe(true);
    expect(budget.withdraw()).toBe(false);
  });

  it('keeps the load of an outage within the ratio, however the failures fall', () => {
    const budget = new RetryBudget(0.1);
    let retries = 0;
    for (let call = 0; call < 10_000; call++) {
      budget.deposit();
      while (budget.withdraw()) retries++;
    }
    expect(retries).toBeLessThanOrEqual(0.1 * 10_000 + RESERVE);
    expect(retries).toBeGreaterThanOrEqual(0.1 * 10_000);
  });

  it('does not let a long calm pay for a storm', () => {
    expect(granted(budgetAfter(0.1, 1_000_000))).toBe(CAP);
  });

  it('grants nothing at a ratio of 0', () => {
    expect(granted(budgetAfter(0, 1000))).toBe(0);
  });
});
