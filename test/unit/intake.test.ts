import { expect, test } from 'vitest';
import { IntakeBudget } from '../../src/rpc/intake.ts';

test('a sender that is alone may hold more than the limit', () => {
  const budget = new IntakeBudget(100);
  expect(budget.intake().take(1_000)).toBe(true);
  expect(budget.held).toBe(1_000);
});

test('a sender beside others holds no more than it leaves', () => {
  const budget = new IntakeBudget(100);
  const [first, second, third] = [budget.intake(), budget.intake(), budget.intake()];
  expect(first.take(20)).toBe(true);
  expect(second.take(41)).toBe(false);
  expect(second.take(40)).toBe(true);
  expect(third.take(21)).toBe(false);
  expect(third.take(20)).toBe(true);
  expect(budget.held).toBe(80);
});

test('what is refused is not held, and what is given back may be taken by another', () => {
  const budget = new IntakeBudget(100);
  const [first, second] = [budget.intake(), budget.intake()];
  first.take(60);
  expect(second.take(30)).toBe(false);
  expect(budget.held).toBe(60);
  first.give(60);
  expect(second.take(30)).toBe(true);
});

test('a sender that has ended holds nothing, and gives nothing back twice', () => {
  const budget = new IntakeBudget(100);
  const intake = budget.intake();
  intake.take(60);
  intake.close();
  intake.give(60);
  intake.close();
  expect(intake.take(10)).toBe(true);
  expect(budget.held).toBe(0);
});
