/** The children of one version that take calls, and which of them gets the next one. Starts and stops none of them. */
import type { Instance } from '../instance/instance.ts';
import { hashOf, weightOf } from '../resilience/hash.ts';
import type { ReplaceReason } from '../events.ts';
import type { PendingCall } from '../rpc/channel.ts';

export interface Carrier {
  readonly instance: Instance;
  /** Of its seat. */
  readonly number: number;
  /** It takes new calls. `Carriers` says so. */
  isOpen: boolean;
  /** Why a fresh child is to take its place; null while none is. */
  replacing: ReplaceReason | null;
  /** Calls that it has begun. */
  begun: number;
  /** It has begun as many calls as one may. */
  onSpent(): void;
  /** Calls that ignore their cancellation hold too many slots on it. */
  onCancelIgnored(): void;
  /** One of its calls ended, or ignored its cancellation, while it takes no new calls. */
  onLeft(): void;
}

export class Carriers {
  readonly #isSticky: boolean;
  #all: readonly Carrier[] = [];
  #turn = 0;

  /** With `isSticky` the calls of one key have the same carrier, as long as it is there. */
  constructor(isSticky: boolean) {
    this.#isSticky = isSticky;
  }

  get size(): number {
    return this.#all.length;
  }

  /** What they have been given and have not answered. */
  calls(): PendingCall[] {
    return this.#all.flatMap(({ instance }) => instance.calls());
  }

  add(carrier: Carrier): void {
    carrier.isOpen = true;
    this.#all = [...this.#all, carrier];
  }

  remove(carrier: Carrier): void {
    carrier.isOpen = false;
    this.#all = this.#all.filter((each) => each !== carrier);
  }

  /** Whoever gets the next call; undefined when there is nobody. */
  next(key: string | undefined): Carrier | undefined {
    if (this.#all.length < 2) return this.#all[0];
    return this.#isSticky && key !== undefined ? this.#ofKey(key) : this.#leastOutstanding();
  }

  #ofKey(key: string): Carrier {
    const hash = hashOf(key);
    return this.#all.reduce((best, each) => (weightOf(hash, each.number) > weightOf(hash, best.number) ? each : best));
  }

  /** Of those that are equally busy each in turn, so that the first one does not have most of the work. */
  #leastOutstanding(): Carrier {
    const all = this.#all;
    const first = this.#turn++ % all.length;
    let best = all[first]!;
    for (let i = first + 1; best.instance.inFlight > 0 && i < first + all.length; i++) {
      const each = all[i % all.length]!;
      if (each.instance.inFlight < best.instance.inFlight) best = each;
    }
    return best;
  }
}
