/**
 * Calls that went on after their cancellation, and the slots that they hold. Decides which child holds too many; its seat replaces that
 * child.
 *
 * 1. A call is counted from the end of its grace until the child answers it or dies.
 */
import type { IgnoredCancel } from '../types.ts';
import type { Call } from './call.ts';
import type { Carrier } from './carrier.ts';

export class IgnoredCancels {
  /** Slots that such calls may hold on the children that take new calls. */
  readonly #limit: number;
  readonly #held = new Map<Call, Carrier>();
  /** How often each method ignored a cancellation. */
  readonly #times = new Map<string, number>();

  /** `ratio`: the share of the `concurrency` slots. One call is always within it. */
  constructor(concurrency: number, ratio: number) {
    this.#limit = Math.max(1, Math.ceil(concurrency * ratio));
  }

  /** Returns the child to replace; null while such calls hold fewer slots than the limit. */
  add(call: Call, carrier: Carrier): Carrier | null {
    this.#held.set(call, carrier);
    this.#times.set(call.method, (this.#times.get(call.method) ?? 0) + 1);
    const counts = new Map<Carrier, number>();
    // A child that takes no new calls is being replaced already.
    for (const each of this.#held.values()) if (each.isOpen) counts.set(each, (counts.get(each) ?? 0) + 1);
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    if (total < this.#limit) return null;
    return [...counts].reduce((worst, each) => (each[1] > worst[1] ? each : worst))[0];
  }

  remove(call: Call): void {
    if (this.#held.size > 0) this.#held.delete(call);
  }

  /** The methods that ignored a cancellation since the start of the version, and the slots that each holds now. */
  status(): IgnoredCancel[] {
    const held = [...this.#held.keys()];
    return [...this.#times].map(([method, times]) => ({ method, times, slots: held.filter((call) => call.method === method).length }));
  }
}
