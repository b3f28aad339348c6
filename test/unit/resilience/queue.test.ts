import { describe, expect, it, vi } from 'vitest';
import { CallQueue, type QueueItem, type QueueLimits } from '../../../src/resilience/queue.ts';

class Item implements QueueItem {
  readonly name: string;
  readonly bytes: number;
  readonly onStart: (item: Item) => void;
  starts = 0;
  release: () => void = () => expect.unreachable('not started');

  constructor(name: string, bytes = 1, onStart: (item: Item) => void = () => {}) {
    this.name = name;
    this.bytes = bytes;
    this.onStart = onStart;
  }

  start(release: () => void): void {
    this.starts++;
    this.release = release;
    this.onStart(this);
  }
}

const queueOf = (limits: Partial<QueueLimits> = {}): CallQueue<Item> =>
  new CallQueue({ concurrency: 1, maxQueue: 10, maxQueueBytes: 100, ...limits });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Offers items of these names and returns them. */
function offer(queue: CallQueue<Item>, ...names: string[]): Item[] {
  return names.map((name) => {
    const item = new Item(name);
    expect(queue.offer(item)).toBeNull();
    return item;
  });
}

describe('slots', () => {
  it('are given at once while there are any, even when nothing may wait', () => {
    const queue = queueOf({ concurrency: 2, maxQueue: 0 });
    const [a, b] = offer(queue, 'a', 'b');
    expect([a!.starts, b!.starts]).toEqual([1, 1]);
    expect(queue.offer(new Item('c'))).toBe('maxQueue');
    expect([queue.running, queue.waiting]).toEqual([2, 0]);
  });

  it('are held until the release, however long the work takes, and go on in order', async () => {
    const queue = queueOf();
    const order: string[] = [];
    const items = ['a', 'b', 'c'].map((name) => new Item(name, 1, () => order.push(name)));
    for (const item of items) queue.offer(item);
    for (const [i, item] of items.entries()) {
      await turn();
      expect(order).toHaveLength(i + 1);
      expect(queue.running).toBe(1);
      item.release();
    }
    expect(order).toEqual(['a', 'b', 'c']);
    expect(queue.running).toBe(0);
  });

  it('are freed once by two releases', async () => {
    const queue = queueOf();
    const [a, b, c] = offer(queue, 'a', 'b', 'c');
    a!.release();
    a!.release();
    await turn();
    a!.release();
    await turn();
    expect([b!.starts, c!.starts, queue.running, queue.waiting]).toEqual([1, 0, 1, 1]);
  });

  it('take the next offer in the same turn as a release, even when nothing may wait', async () => {
    const queue = queueOf({ maxQueue: 0 });
    const [a] = offer(queue, 'a');
    a!.release();
    const [b] = offer(queue, 'b');
    expect(queue.offer(new Item('c'))).toBe('maxQueue');
    await turn();
    expect(b!.starts).toBe(1);
  });

  it('may be released from within the start, and used by what it offers', async () => {
    const queue = queueOf();
    const inner = new Item('inner');
    queue.offer(
      new Item('outer', 1, (outer) => {
        queue.offer(inner);
        outer.release();
      }),
    );
    expect(inner.starts).toBe(0);
    await turn();
    expect(inner.starts).toBe(1);
  });
});

describe('bounds', () => {
  it('refuse the call that is one more than maxQueue', () => {
    const queue = queueOf({ maxQueue: 2 });
    offer(queue, 'a', 'b', 'c');
    expect(queue.offer(new Item('d'))).toBe('maxQueue');
    expect(queue.waiting).toBe(2);
  });

  it('refuse bytes over maxQueueBytes, and count them until they are sent, whether waiting or started', () => {
    const queue = queueOf({ concurrency: 2 });
    const started = new Item('started', 60);
    queue.offer(started);
    expect(queue.offer(new Item('too much', 41))).toBe('maxQueueBytes');
    queue.sent(started);
    expect(queue.heldBytes).toBe(0);
    expect(queue.offer(new Item('now it fits', 41))).toBeNull();
    started.release();
    expect(queue.heldBytes).toBe(41);
  });

  it('drop the bytes of a released item that was never sent', () => {
    const queue = queueOf();
    const item = new Item('a', 60);
    queue.offer(item);
    item.release();
    expect(queue.heldBytes).toBe(0);
  });

  it('let one item through that is larger than maxQueueBytes when nothing else is held', () => {
    const queue = queueOf();
    expect(queue.offer(new Item('large', 1000))).toBeNull();
    expect(queue.offer(new Item('b', 0))).toBe('maxQueueBytes');
  });
});

describe('a waiting item', () => {
  it('is gone once removed: it is never started, and makes room', async () => {
    const queue = queueOf({ maxQueue: 2 });
    const [a, b, c] = offer(queue, 'a', 'b', 'c');
    expect(queue.remove(b!)).toBe(true);
    expect(queue.remove(b!)).toBe(false);
    expect([queue.waiting, queue.heldBytes]).toEqual([1, 2]);
    offer(queue, 'd');
    a!.release();
    await turn();
    expect([b!.starts, c!.starts]).toEqual([0, 1]);
  });

  it('cannot be removed once it has started', () => {
    const queue = queueOf();
    const [a] = offer(queue, 'a');
    expect(queue.remove(a!)).toBe(false);
    expect(queue.running).toBe(1);
  });

  it('is handed over in order by takeWaiting, and those that were not selected stay', async () => {
    const queue = queueOf();
    const [a, b, c, d] = offer(queue, 'a', 'b', 'c', 'd');
    expect(queue.takeWaiting((item) => item !== c)).toEqual([b, d]);
    a!.release();
    await turn();
    expect([b!.starts, c!.starts, d!.starts, queue.waiting]).toEqual([0, 1, 0, 0]);
  });
});

describe('a requeued item', () => {
  it('goes before all that wait, gives its slot back and is not bounded', async () => {
    const queue = queueOf({ maxQueue: 1 });
    const [a, b] = offer(queue, 'a', 'b');
    queue.pause();
    queue.requeue(a!);
    expect([queue.running, queue.waiting, queue.heldBytes]).toEqual([0, 2, 2]);
    queue.resume();
    await turn();
    expect([a!.starts, b!.starts]).toEqual([2, 0]);
  });

  it('is not touched by the release of its former start', async () => {
    const queue = queueOf();
    const [a, b] = offer(queue, 'a', 'b');
    const former = a!.release;
    queue.requeue(a!);
    former();
    await turn();
    former();
    await turn();
    expect([a!.starts, b!.starts, queue.running, queue.heldBytes]).toEqual([2, 0, 1, 2]);
  });
});

describe('a paused queue', () => {
  it('starts nothing, keeps offers within the bounds, and goes on when resumed', async () => {
    const queue = queueOf({ concurrency: 2, maxQueue: 2 });
    queue.pause();
    const [a, b] = offer(queue, 'a', 'b');
    expect(queue.offer(new Item('c'))).toBe('maxQueue');
    await turn();
    expect([a!.starts, b!.starts]).toEqual([0, 0]);
    queue.resume();
    expect([a!.starts, b!.starts]).toEqual([1, 1]);
  });
});

describe('onIdle', () => {
  it('resolves at once when there is nothing, else when the last item has left, in whatever way', async () => {
    const queue = queueOf();
    await queue.onIdle();
    const [a, b, c] = offer(queue, 'a', 'b', 'c');
    let idle = 0;
    const both = [queue.onIdle(), queue.onIdle()].map((promise) => promise.then(() => idle++));
    a!.release();
    await turn();
    queue.remove(c!);
    queue.pause();
    await turn();
    expect(idle).toBe(0);
    queue.requeue(b!);
    await turn();
    expect(idle).toBe(0);
    queue.takeWaiting(() => true);
    await Promise.all(both);
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });
});

it('takes an item out of a long line as fast as out of a short one', () => {
  const queue = queueOf({ maxQueue: 100_000, maxQueueBytes: 1e9 });
  const items = Array.from({ length: 100_000 }, (_, i) => new Item(String(i)));
  for (const item of items) queue.offer(item);
  // From the back: with a search from the front this is 5 × 10⁹ steps, and the test does not end in time.
  for (const item of items.reverse()) queue.remove(item);
  expect([queue.waiting, queue.running]).toEqual([0, 1]);
});

it('is unmoved by a wall clock that is moved by a year (F40)', async () => {
  const dates = vi.spyOn(Date, 'now');
  try {
    const queue = queueOf();
    const items = offer(queue, 'a', 'b', 'c');
    for (const [i, wall] of [0, 31_536_000_000, -31_536_000_000].entries()) {
      dates.mockReturnValue(wall);
      items[i]!.release();
      await turn();
    }
    expect(items.map((item) => item.starts)).toEqual([1, 1, 1]);
    await queue.onIdle();
  } finally {
    dates.mockRestore();
  }
});
