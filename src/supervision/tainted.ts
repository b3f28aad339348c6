/** Instances that ignored a cancel: they get no new calls, and end as soon as nobody waits for those that they have. */
import type { Instance } from '../instance/instance.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import type { Call } from './call.ts';

export class Tainted {
  readonly #options: ResolvedPluginOptions;
  readonly #instances = new Set<Instance>();

  constructor(options: ResolvedPluginOptions) {
    this.#options = options;
  }

  /** Calls that others wait for may finish until `stopTimeoutMs`. */
  add(instance: Instance): void {
    this.#instances.add(instance);
    const limit = setTimeout(() => this.#kill(instance), this.#options.stopTimeoutMs);
    void instance.done.then(() => {
      clearTimeout(limit);
      this.#instances.delete(instance);
    });
    this.endIfIdle(instance);
  }

  endIfIdle(instance: Instance): void {
    if (this.#instances.has(instance) && instance.calls().every((call) => (call as Call).settled)) this.#kill(instance);
  }

  #kill(instance: Instance): void {
    instance.kill('cancel-ignored', `a call went on for ${this.#options.cancelGraceMs} ms after it was cancelled`);
  }
}
