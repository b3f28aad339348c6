/** What refusals carry, by themselves and in a crowd. */
import { expect, test } from 'vitest';
import { QueueFullError } from '../../src/errors.ts';
import { Refusals } from '../../src/supervision/refusals.ts';

const make = (): QueueFullError => new QueueFullError({ plugin: 'hello', method: 'greet' }, 'maxQueue', 10);
const frames = (error: Error): number => error.stack!.split('\n    at ').length - 1;

test('a refusal says where the call came from; in a crowd a hundred a second do, and the others are the same but for it', () => {
  const refusals = new Refusals();
  const now = performance.now();
  const limit = Error.stackTraceLimit;
  const crowd = Array.from({ length: 1_000 }, () => refusals.made(now, make));
  expect(crowd.filter((error) => frames(error) > 0)).toHaveLength(100);
  expect(crowd.at(-1)!.stack).toMatch(/^QueueFullError: hello/);
  expect(crowd.at(-1)!.toJSON()).toEqual(crowd[0]!.toJSON());
  expect(frames(refusals.made(now + 1_000, make))).toBeGreaterThan(0);
  expect(Error.stackTraceLimit).toBe(limit);
});

test('what cannot be made leaves the stacks of others as they are', () => {
  const refusals = new Refusals();
  const limit = Error.stackTraceLimit;
  for (let i = 0; i < 100; i++) refusals.made(0, make);
  expect(() =>
    refusals.made(0, () => {
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(Error.stackTraceLimit).toBe(limit);
});
