/** How many tasks run at a time, and which goes next. */
import { expect, test } from 'vitest';
import { Limiter } from '../../../src/resilience/limiter.ts';

test('never runs more tasks than its limit, the most urgent first, and tells when it is idle', async () => {
  const limiter = new Limiter(2);
  const began: string[] = [];
  const ends = new Map<string, () => void>();
  const add = (name: string, priority?: number): void =>
    limiter.add(() => {
      began.push(name);
      return new Promise((resolve) => ends.set(name, resolve));
    }, priority);
  const end = async (name: string): Promise<void> => {
    ends.get(name)!();
    await new Promise((resolve) => setImmediate(resolve));
  };
  await limiter.onIdle();
  for (const name of ['a', 'b', 'c', 'd']) add(name);
  add('urgent', 1);
  add('urgent too', 1);
  expect(began).toEqual(['a', 'b']);
  let isIdle = false;
  const idle = limiter.onIdle().then(() => (isIdle = true));
  await end('b');
  expect(began).toEqual(['a', 'b', 'urgent']);
  await end('urgent');
  await end('a');
  expect(began).toEqual(['a', 'b', 'urgent', 'urgent too', 'c']);
  expect(limiter.pending).toBe(2);
  await end('c');
  await end('urgent too');
  expect(isIdle).toBe(false);
  expect(limiter.pending).toBe(1);
  await end('d');
  await idle;
  expect([began.at(-1), limiter.pending]).toEqual(['d', 0]);
});
