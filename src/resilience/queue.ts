/**
 * Bounded admission: p-queue grants the slots, this decides who may wait for one. A slot that was granted is kept, and serves one item
 * after the other: a task of p-queue costs more than a call. What an item is and when its work is over is the caller's; so are
 * deadlines, as p-queue's own `timeout` would free a slot while its work runs on.
 *
 * 1. Never more than `concurrency` items are between `start` and `release`.
 * 2. At most `maxQueue` items wait that no free slot is coming for; a free slot starts an item even when `maxQueue` is 0.
 * 3. `heldBytes` are those of items that wait, or were started and not yet `sent`; one item alone may exceed `maxQueueBytes`.
 * 4. First in, first out; with `fair` within each key, while the keys take turns. What is requeued goes before all.
 * 5. An item is started at most once per admission, and never after `remove` or `takeWaiting` returned it.
 */
import PQueue from 'p-queue';
import { FairList } from './fair-list.ts';
import { type Admission, WaitingList } from './waiting-list.ts';

export interface QueueItem {
  /** Size of what it keeps in memory until it is sent. */
  readonly bytes: number;
  /** Whose it is, where callers have equal shares. */
  readonly key?: string | undefined;
  /** The queue's own, while it waits or runs: kept here and not in a `Map`, for the reason that `IdTable` has. */
  admission?: Admission<QueueItem> | null;
  /** Called once, when a slot is given. Call `release` when the work is over; twice is harmless. Does not throw. */
  start(release: () => void): void;
}

/** Which bound refused it. */
export type Refusal = 'maxQueue' | 'maxQueueBytes' | 'maxTotalQueueBytes';

/** Bytes that several queues hold together. One item alone may exceed it. */
export class ByteBudget {
  limit: number;
  held = 0;

  constructor(limit: number) {
    this.limit = limit;
  }
}

export interface QueueLimits {
  concurrency: number;
  maxQueue: number;
  maxQueueBytes: number;
  /** Equal shares for all keys: of the slots, and no key takes more places to wait than it leaves. */
  fair?: boolean;
  /** Shared with other queues. */
  total?: ByteBudget;
}

export class CallQueue<T extends QueueItem> {
  readonly #limits: QueueLimits;
  readonly #slots: PQueue;
  readonly #fair: FairList<T> | null;
  readonly #list: WaitingList<Admission<T>> | FairList<T>;
  /** Items that wait or run. */
  #admitted = 0;
  #heldBytes = 0;
  /** Slots that were granted and have no item. */
  #free = 0;
  /** Slots that were released in this turn: they are free when what runs now has ended. */
  #released = 0;
  #paused = false;
  #idleWaiters: (() => void)[] = [];

  constructor(limits: QueueLimits) {
    this.#limits = limits;
    this.#slots = new PQueue({ concurrency: limits.concurrency });
    this.#fair = limits.fair === true ? new FairList<T>() : null;
    this.#list = this.#fair ?? new WaitingList();
  }

  get running(): number {
    return this.#admitted - this.#list.size;
  }

  get waiting(): number {
    return this.#list.size;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Null when accepted; the item may have been started already. */
  offer(item: T): Refusal | null {
    const { concurrency, maxQueue, maxQueueBytes } = this.#limits;
    // A released slot is given away a microtask later, so an item may wait for a slot that is free.
    const free = this.#paused ? 0 : concurrency - this.running;
    const left = maxQueue - (this.#list.size - free);
    if (left <= 0) return 'maxQueue';
    if (this.#fair !== null && this.#fair.sizeOf(item.key) - free >= left) return 'maxQueue';
    if (this.#heldBytes > 0 && this.#heldBytes + item.bytes > maxQueueBytes) return 'maxQueueBytes';
    const { total } = this.#limits;
    if (total !== undefined && total.held > 0 && total.held + item.bytes > total.limit) return 'maxTotalQueueBytes';
    this.#admit(item, false);
    return null;
  }

  /** Puts an item that was started, and whose work never began, before all that wait. Of several, the newest comes first. */
  requeue(item: T): void {
    const admission = this.#of(item);
    if (admission?.waiting) return;
    if (admission !== null) this.#end(admission);
    this.#admit(item, true);
  }

  /** Takes back an item that waits; false when it does not. */
  remove(item: T): boolean {
    const admission = this.#of(item);
    if (!admission?.waiting) return false;
    this.#withdraw(admission);
    this.#settle();
    return true;
  }

  /** The item's bytes have left our memory, though its work goes on. */
  sent(item: T): void {
    const admission = this.#of(item);
    if (admission !== null) this.#letGo(admission);
  }

  /** Takes back the waiting items that `filter` selects, in their order. */
  takeWaiting(filter: (item: T) => boolean): T[] {
    const taken = this.#list.toArray().filter((admission) => filter(admission.item));
    for (const admission of taken) this.#withdraw(admission);
    this.#settle();
    return taken.map((admission) => admission.item);
  }

  /** Starts nothing more until `resume`; offers wait within the bounds. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#serve();
  }

  /** Resolves when nothing waits and nothing runs. */
  async onIdle(): Promise<void> {
    if (this.#admitted === 0) return;
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  #admit(item: T, first: boolean): void {
    const admission: Admission<T> = { item, by: this, waiting: false, running: false, heldBytes: item.bytes, before: null, after: null };
    (item as QueueItem).admission = admission;
    this.#admitted++;
    this.#hold(item.bytes);
    this.#list.place(admission, first);
    this.#serve();
  }

  /** Null when another queue has it, or none. */
  #of(item: T): Admission<T> | null {
    const admission = (item.admission ?? null) as Admission<T> | null;
    return admission?.by === this ? admission : null;
  }

  /** Starts what waits, as far as there are slots. */
  #serve(): void {
    while (!this.#paused && this.#list.size > 0) {
      if (this.#free > 0) this.#start(this.#list.shift()!);
      else if (this.#slots.pending < this.#limits.concurrency) void this.#slots.add(this.#granted);
      else return;
    }
  }

  /** The task of a slot that is kept. */
  readonly #granted = (): Promise<never> => {
    this.#free++;
    return new Promise(() => {});
  };

  #start(admission: Admission<T>): void {
    this.#free--;
    admission.running = true;
    admission.item.start(() => {
      this.#end(admission);
      this.#settle();
    });
  }

  #end(admission: Admission<T>): void {
    if (!admission.running) return;
    admission.running = false;
    this.#forget(admission);
    if (this.#released++ === 0) void Promise.resolve().then(this.#handOn);
  }

  readonly #handOn = (): void => {
    this.#free += this.#released;
    this.#released = 0;
    this.#serve();
  };

  #withdraw(admission: Admission<T>): void {
    this.#list.unlink(admission);
    this.#forget(admission);
  }

  #forget(admission: Admission<T>): void {
    this.#letGo(admission);
    this.#admitted--;
    if (admission.item.admission === admission) admission.item.admission = null;
  }

  #letGo(admission: Admission<T>): void {
    this.#hold(-admission.heldBytes);
    admission.heldBytes = 0;
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#limits.total !== undefined) this.#limits.total.held += bytes;
  }

  #settle(): void {
    if (this.#admitted > 0 || this.#idleWaiters.length === 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}
