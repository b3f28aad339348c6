/** Every instance of one seat that is not gone yet, and what is done with all of them whatever state they are in. */
import type { Instance } from '../instance/instance.ts';
import type { InstanceEnd } from '../instance/state.ts';
import type { InstanceStatus } from '../types.ts';
import { clearTimeout, setTimeout } from '../util/timers.ts';

export class Instances {
  readonly #all = new Set<Instance>();
  /** Of instances that are gone. */
  #droppedLogs = 0;

  /** Log records that were over the rate. */
  get droppedLogs(): number {
    return [...this.#all].reduce((total, { journal }) => total + journal.dropped, this.#droppedLogs);
  }

  add(instance: Instance): void {
    this.#all.add(instance);
    void instance.gone.then(() => {
      this.#all.delete(instance);
      this.#droppedLogs += instance.journal.dropped;
    });
  }

  status(): InstanceStatus[] {
    return [...this.#all].map((instance) => instance.status());
  }

  /** Resolves when nothing of them is left. */
  async gone(): Promise<void> {
    await Promise.all([...this.#all].map(({ gone }) => gone));
  }

  /** Resolves when nothing is left of those beside `serving`. What has calls may finish them. */
  async endOthers(serving: Instance | null): Promise<void> {
    const others = [...this.#all].filter((each) => each !== serving);
    await Promise.all(others.map((each) => (each.state.kind === 'starting' ? each.stop(0) : each.gone)));
  }

  /** Stops each within `drainTimeoutMs`. */
  stop(drainTimeoutMs: number): Promise<InstanceEnd[]> {
    return Promise.all([...this.#all].map((each) => each.stop(drainTimeoutMs)));
  }

  /** Ends each at once. */
  kill(): void {
    for (const instance of this.#all) instance.kill('stopped', 'stopped at once');
  }
}

/** Tells when it is `maxAgeMs` old, unless it has ended by then. */
export function limitAge(instance: Instance, maxAgeMs: number | null, onOld: () => void): void {
  if (maxAgeMs === null) return;
  const age = setTimeout(onOld, maxAgeMs);
  void instance.done.then(() => clearTimeout(age));
}
