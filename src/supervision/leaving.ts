/** Children that take no new calls. Each finishes the calls that somebody waits for; the calls that ignore their cancellation end with it. */
import type { Instance } from '../instance/instance.ts';
import { leaveTimeoutMs, NEVER_MS, type ResolvedPluginOptions } from '../options.ts';
import { within } from '../util/within.ts';
import type { Call } from './call.ts';

export class Leaving {
  readonly #options: ResolvedPluginOptions;
  readonly #waiting = new Map<Instance, () => void>();

  constructor(options: ResolvedPluginOptions) {
    this.#options = options;
  }

  /** One of its calls ended, or ignored its cancellation. */
  left(instance: Instance): void {
    const settle = this.#waiting.get(instance);
    if (settle !== undefined && instance.calls().every((call) => (call as Call).ignoresCancel)) settle();
  }

  /** Lets the child finish its calls up to their own deadlines, then ends it. */
  async drain(instance: Instance): Promise<void> {
    void instance.stop(null);
    await this.#alone(instance);
    if (instance.inFlight > 0) instance.kill('cancel-ignored', `a call went on for ${this.#options.cancelGraceMs} ms after it was cancelled`);
  }

  /**
   * Lets the child finish its calls, then asks what it hands over: undefined when it has nothing, or does not answer in time. Rejects with
   * what it threw.
   */
  async handOver(instance: Instance): Promise<unknown> {
    const { debug, stopTimeoutMs } = this.#options;
    await within(leaveTimeoutMs(this.#options), this.#alone(instance));
    const state = instance.letGo();
    if (!(await within(debug ? NEVER_MS : stopTimeoutMs, state))) return undefined;
    return (await state) ?? undefined;
  }

  /** Resolves when the child has ended, or every call that it still has ignores its cancellation. */
  #alone(instance: Instance): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#waiting.delete(instance);
        resolve();
      };
      this.#waiting.set(instance, settle);
      void instance.done.then(settle);
      this.left(instance);
    });
  }
}
