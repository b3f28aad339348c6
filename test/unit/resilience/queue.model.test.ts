/**
 * The queue held against a model of it: an array that is searched for everything. Each command is one turn of the event loop, with
 * several steps made synchronously in it, because p-queue passes a released slot on only afterwards. 100,000 random steps in all.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CallQueue, type QueueItem, type QueueLimits, type Refusal } from '../../../src/resilience/queue.ts';
import { runSteps } from './model-run.ts';

class Item implements QueueItem {
  readonly id: number;
  readonly bytes: number;
  readonly started: number[];
  release: () => void = () => {};

  constructor(id: number, bytes: number, started: number[]) {
    this.id = id;
    this.bytes = bytes;
    this.started = started;
  }

  start(release: () => void): void {
    this.release = release;
    this.started.push(this.id);
  }
}

class Model {
  readonly limits: QueueLimits;
  readonly items: Item[] = [];
  readonly formerReleases: (() => void)[] = [];
  /** Ids, in the order of their starts. */
  readonly started: number[] = [];
  waiting: Item[] = [];
  running: Item[] = [];
  held = new Set<Item>();
  paused = false;
  /** Slots that p-queue has given away and not yet taken back. */
  slots = 0;
  idleAwaited = 0;
  idleSeen = 0;
  steps = 0;

  constructor(limits: QueueLimits) {
    this.limits = limits;
  }

  get heldBytes(): number {
    return [...this.held].reduce((sum, item) => sum + item.bytes, 0);
  }

  offer(item: Item): Refusal | null {
    const free = this.paused ? 0 : this.limits.concurrency - this.running.length;
    if (this.waiting.length >= this.limits.maxQueue + free) return 'maxQueue';
    if (this.held.size > 0 && this.heldBytes > 0 && this.heldBytes + item.bytes > this.limits.maxQueueBytes) return 'maxQueueBytes';
    this.waiting.push(item);
    this.held.add(item);
    this.startAll();
    return null;
  }

  startAll(): void {
    while (!this.paused && this.slots < this.limits.concurrency && this.waiting.length > 0) {
      const item = this.waiting.shift()!;
      this.running.push(item);
      this.started.push(item.id);
      this.slots++;
    }
  }

  drop(item: Item): void {
    this.waiting = this.waiting.filter((other) => other !== item);
    this.running = this.running.filter((other) => other !== item);
    this.held.delete(item);
  }

  endTurn(): void {
    this.slots = this.running.length;
    this.startAll();
  }
}

interface Real {
  queue: CallQueue<Item>;
  started: number[];
  idleSeen: number;
}

type Step = { label: string; make(model: Model, real: Real): void };

const pick = (items: readonly Item[], which: number): Item | undefined => items[which % Math.max(1, items.length)];

const offer = (bytes: number): Step => ({
  label: `offer(${bytes} bytes)`,
  make(model, { queue, started }) {
    const item = new Item(model.items.length, bytes, started);
    model.items.push(item);
    expect(queue.offer(item)).toBe(model.offer(item));
  },
});

const release = (which: number): Step => ({
  label: `release(${which})`,
  make(model) {
    const item = pick(model.running, which);
    if (item === undefined) return;
    model.drop(item);
    item.release();
    model.formerReleases.push(item.release);
  },
});

const releaseAgain = (which: number): Step => ({
  label: `releaseAgain(${which})`,
  make: (model) => model.formerReleases[which % Math.max(1, model.formerReleases.length)]?.(),
});

const sent = (which: number): Step => ({
  label: `sent(${which})`,
  make(model, { queue }) {
    const item = pick(model.running, which);
    if (item === undefined) return;
    model.held.delete(item);
    queue.sent(item);
  },
});

const remove = (which: number): Step => ({
  label: `remove(${which})`,
  make(model, { queue }) {
    const item = pick(model.items, which);
    if (item === undefined) return;
    const waits = model.waiting.includes(item);
    if (waits) model.drop(item);
    expect(queue.remove(item)).toBe(waits);
  },
});

const requeue = (which: number): Step => ({
  label: `requeue(${which})`,
  make(model, { queue }) {
    const item = pick(model.running, which);
    if (item === undefined) return;
    model.formerReleases.push(item.release);
    model.drop(item);
    model.waiting.unshift(item);
    model.held.add(item);
    queue.requeue(item);
    model.startAll();
  },
});

const takeWaiting = (part: number): Step => ({
  label: `takeWaiting(1 of ${part})`,
  make(model, { queue }) {
    const selected = (item: Item): boolean => item.id % part === 0;
    const taken = model.waiting.filter(selected);
    for (const item of taken) model.drop(item);
    expect(queue.takeWaiting(selected)).toEqual(taken);
  },
});

const pause: Step = {
  label: 'pause',
  make(model, { queue }) {
    model.paused = true;
    queue.pause();
  },
};

const resume: Step = {
  label: 'resume',
  make(model, { queue }) {
    model.paused = false;
    queue.resume();
    model.startAll();
  },
};

const awaitIdle: Step = {
  label: 'onIdle',
  make(model, real) {
    model.idleAwaited++;
    void real.queue.onIdle().then(() => real.idleSeen++);
  },
};

function compare(model: Model, { queue, started }: Real): void {
  const { running, waiting, heldBytes } = queue;
  // One string for all: expect() is slow, and this runs at every step.
  const real = `running ${running}, waiting ${waiting}, held ${heldBytes}, started ${started.length} up to ${started.at(-1)}`;
  const { running: runs, waiting: waits, started: begun } = model;
  const wanted = `running ${runs.length}, waiting ${waits.length}, held ${model.heldBytes}, started ${begun.length} up to ${begun.at(-1)}`;
  if (real !== wanted) expect(real).toBe(wanted);
}

const turnOf = (steps: Step[]): fc.AsyncCommand<Model, Real> => ({
  check: () => true,
  toString: () => `[${steps.map((step) => step.label).join(', ')}]`,
  async run(model, real) {
    for (const step of steps) {
      model.steps++;
      step.make(model, real);
      if (model.running.length + model.waiting.length === 0) model.idleSeen = model.idleAwaited;
      compare(model, real);
    }
    await new Promise((resolve) => setImmediate(resolve));
    model.endTurn();
    compare(model, real);
    if (real.idleSeen !== model.idleSeen) expect(real.idleSeen).toBe(model.idleSeen);
  },
});

const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.nat(12).map(offer) },
  { weight: 5, arbitrary: fc.nat(20).map(release) },
  { weight: 1, arbitrary: fc.nat(20).map(releaseAgain) },
  { weight: 3, arbitrary: fc.nat(20).map(sent) },
  { weight: 2, arbitrary: fc.nat(500).map(remove) },
  { weight: 1, arbitrary: fc.nat(20).map(requeue) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }).map(takeWaiting) },
  { weight: 1, arbitrary: fc.constantFrom(pause, resume, resume) },
  { weight: 1, arbitrary: fc.constant(awaitIdle) },
);

const limits: fc.Arbitrary<QueueLimits> = fc.record({
  concurrency: fc.integer({ min: 1, max: 5 }),
  maxQueue: fc.nat(8),
  maxQueueBytes: fc.nat(60),
});

it('does what its model does, for 100,000 random steps', async () => {
  const turns = fc.commands([fc.array(anyStep, { minLength: 1, maxLength: 6 }).map(turnOf)], { maxCommands: 100, size: 'max' });
  await runSteps(100_000, fc.tuple(limits, turns), async ([chosen, commands]) => {
    const model = new Model(chosen);
    const real: Real = { queue: new CallQueue<Item>(chosen), started: [], idleSeen: 0 };
    await fc.asyncModelRun(() => ({ model, real }), commands);
    expect(real.started).toEqual(model.started);
    return model.steps;
  });
});
