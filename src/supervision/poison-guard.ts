/** Keeps calls that take a plugin down away from it, so that it goes on serving the others. */
import { CallPoisonedError } from '../errors.ts';
import type { InstanceEnd } from '../instance/state.ts';
import { PoisonList, type PoisonOptions } from '../resilience/poison.ts';
import type { ExitCause, PoisonedCall } from '../types.ts';
import type { Call } from './call.ts';
import { performance } from '../util/timers.ts';

/** Ends that say nothing about the calls that were in flight. */
const BLAMELESS: readonly ExitCause[] = ['stopped', 'drain-timeout', 'cancel-ignored'];

export class PoisonGuard {
  readonly #list: PoisonList;
  readonly #onPoisoned: (call: PoisonedCall) => void;

  constructor(options: PoisonOptions, onPoisoned: (call: PoisonedCall) => void) {
    this.#list = new PoisonList(options);
    this.#onPoisoned = onPoisoned;
  }

  /** The error for a call that is refused; null for any other. */
  refusal(call: Call): CallPoisonedError | null {
    if (this.#list.isEmpty) return null;
    const key = call.digest;
    const refusal = this.#list.refusal(key, performance.now());
    return refusal && new CallPoisonedError(call.subject, { digest: split(key).digest, ...refusal });
  }

  succeeded(call: Call): void {
    if (!this.#list.isEmpty) this.#list.succeeded(call.digest);
  }

  /** These were in flight when an instance ended. Of the same call several times over, one counts. */
  died(calls: readonly Call[], end: InstanceEnd): void {
    if (BLAMELESS.includes(end.exit.cause)) return;
    // Who ignored a cancel was given up by its caller; the others were only there.
    const culprits = calls.filter((call) => call.sentAt !== null && (end.exit.cause !== 'cancel-ignored' || call.settled));
    for (const key of new Set(culprits.map((call) => call.digest))) {
      const deaths = this.#list.died(key, performance.now());
      const refusal = deaths === 0 ? null : this.#list.refusal(key, performance.now());
      if (refusal !== null) this.#onPoisoned({ ...split(key), ...refusal });
    }
  }

  status(): PoisonedCall[] {
    return this.#list.refused(performance.now()).map(({ key, deaths, retryAfterMs }) => {
      const { method, digest } = split(key);
      return { method, digest, deaths, retryAfterMs };
    });
  }

  clear(): void {
    this.#list.clear();
  }
}

function split(key: string): { method: string; digest: string } {
  const at = key.lastIndexOf(' ');
  return { method: key.slice(0, at), digest: key.slice(at + 1) };
}
