/** Fair shares: the list by itself, held against a model, and the queue that callers flood. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairList } from '../../../src/resilience/fair-list.ts';
import { CallQueue, type QueueItem } from '../../../src/resilience/queue.ts';
import type { Admission } from '../../../src/resilience/waiting-list.ts';

interface Item {
  readonly id: number;
  readonly key: string | undefined;
}

const admissionOf = (item: Item): Admission<Item> => ({ item, waiting: false, running: false, heldBytes: 0, before: null, after: null });
const anyKey = fc.constantFrom('a', 'b', 'c', undefined);

describe('the list', () => {
  test('does what a list of lists does, whatever is done to it', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: anyKey.map((key) => ({ kind: 'place' as const, key })) },
      { weight: 1, arbitrary: anyKey.map((key) => ({ kind: 'front' as const, key })) },
      { weight: 3, arbitrary: fc.constant({ kind: 'shift' as const }) },
      { weight: 2, arbitrary: fc.nat(50).map((which) => ({ kind: 'unlink' as const, which })) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const list = new FairList<Item>();
        let front: Admission<Item>[] = [];
        let lines: Admission<Item>[][] = [];
        let waiting: Admission<Item>[] = [];
        const tidy = (): void => void (lines = lines.filter(({ length }) => length > 0));
        for (const [id, made] of steps.entries()) {
          if (made.kind === 'place' || made.kind === 'front') {
            const admission = admissionOf({ id, key: made.key });
            list.place(admission, made.kind === 'front');
            waiting.push(admission);
            const line = lines.find(([first]) => first!.item.key === made.key);
            if (made.kind === 'front') front.unshift(admission);
            else if (line === undefined) lines.push([admission]);
            else line.push(admission);
          } else if (made.kind === 'shift') {
            let expected = front.shift() ?? null;
            if (expected === null && lines.length > 0) {
              const line = lines.shift()!;
              expected = line.shift()!;
              lines.push(line);
            }
            expect(list.shift()).toBe(expected);
            waiting = waiting.filter((each) => each !== expected);
          } else if (waiting.length > 0) {
            const gone = waiting[made.which % waiting.length]!;
            list.unlink(gone);
            waiting = waiting.filter((each) => each !== gone);
            front = front.filter((each) => each !== gone);
            lines = lines.map((line) => line.filter((each) => each !== gone));
          }
          tidy();
          expect(list.size).toBe(waiting.length);
          expect(waiting.every((admission) => admission.waiting)).toBe(true);
          expect(list.sizeOf('a')).toBe(lines.flat().filter(({ item }) => item.key === 'a').length);
        }
        const order = list.toArray();
        expect(order.map(() => list.shift())).toEqual(order);
        expect(list.shift()).toBeNull();
      }),
      { numRuns: 500 },
    );
  });
});

class Work implements QueueItem {
  readonly bytes = 1;
  readonly key: string | undefined;
  readonly started: Work[];
  readonly number: number;
  release: () => void = () => {};

  constructor(key: string | undefined, number: number, started: Work[]) {
    this.key = key;
    this.number = number;
    this.started = started;
  }

  start(release: () => void): void {
    this.release = release;
    this.started.push(this);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Releases one after the other, the `which`th of those that run, until nothing waits. */
async function workOff(queue: CallQueue<Work>, started: Work[], which: readonly number[]): Promise<void> {
  const running = new Set<Work>();
  for (let seen = 0, i = 0; queue.running > 0; i++) {
    for (; seen < started.length; seen++) running.add(started[seen]!);
    const next = [...running][which[i % which.length]! % running.size]!;
    running.delete(next);
    next.release();
    await turn();
  }
}

describe('a queue that is fair', () => {
  test('gives a caller who floods no more than a share once others wait, and each caller its calls in order', async () => {
    const others = fc.dictionary(fc.constantFrom('b', 'c', 'd', 'e'), fc.integer({ min: 1, max: 12 }), { minKeys: 1, noNullPrototype: true });
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 20, max: 60 }),
      others,
      fc.array(fc.nat(9), { minLength: 1, maxLength: 20 }),
      async (concurrency, flood, counts, which) => {
        const started: Work[] = [];
        const queue = new CallQueue<Work>({ concurrency, maxQueue: 1_000, maxQueueBytes: 10_000, fair: true });
        const offer = (key: string, count: number): void => {
          for (let i = 0; i < count; i++) expect(queue.offer(new Work(key, i, started))).toBeNull();
        };
        offer('flood', flood);
        for (const [key, count] of Object.entries(counts)) offer(key, count);
        await workOff(queue, started, which);
        expect(started).toHaveLength(flood + Object.values(counts).reduce((sum, count) => sum + count, 0));
        // While a key has waiting calls, each other key has at most one turn more than it.
        const contested = started.slice(concurrency);
        for (const [key, count] of Object.entries(counts)) {
          const until = contested.findLastIndex((work) => work.key === key);
          const turns = contested.slice(0, until).filter((work) => work.key === 'flood').length;
          expect(turns).toBeLessThanOrEqual(count);
        }
        for (const key of ['flood', ...Object.keys(counts)]) {
          const numbers = started.filter((work) => work.key === key).map(({ number }) => number);
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        }
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });

  test('leaves room to wait for others, however much one caller offers', () => {
    const queue = new CallQueue<Work>({ concurrency: 1, maxQueue: 100, maxQueueBytes: 10_000, fair: true });
    const offer = (key: string | undefined): number => {
      for (let taken = 0; ; taken++) if (queue.offer(new Work(key, taken, [])) !== null) return taken;
    };
    // The first has a slot; a caller may have as many waiting as it leaves places.
    expect(offer('flood') - 1).toBe(50);
    expect(offer('b')).toBe(25);
    expect(offer(undefined)).toBe(13);
    expect(queue.waiting).toBeLessThanOrEqual(100);
  });

  test('starts items in free slots even when nothing may wait', () => {
    const started: Work[] = [];
    const queue = new CallQueue<Work>({ concurrency: 3, maxQueue: 0, maxQueueBytes: 100, fair: true });
    for (let i = 0; i < 3; i++) expect(queue.offer(new Work('a', i, started))).toBeNull();
    expect(started).toHaveLength(3);
    expect(queue.offer(new Work('b', 0, started))).toBe('maxQueue');
  });

  test('serves what is requeued before all, and takes back what waits in the order of its turns', async () => {
    const started: Work[] = [];
    const queue = new CallQueue<Work>({ concurrency: 1, maxQueue: 100, maxQueueBytes: 100, fair: true });
    const works = ['a', 'a', 'a', 'b', 'c', 'c'].map((key, i) => new Work(key, i, started));
    for (const work of works) queue.offer(work);
    queue.pause();
    queue.requeue(works[0]!);
    expect(queue.takeWaiting(() => true).map(({ number }) => number)).toEqual([0, 1, 3, 4, 2, 5]);
    expect([queue.waiting, queue.heldBytes]).toEqual([0, 0]);
    await queue.onIdle();
  });
});
