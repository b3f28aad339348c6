/** Deployments that were switched away from, until they are drained and stopped. A hand-over: whoever retires one lets go of it. */
import { leaveTimeoutMs } from '../options.ts';
import { within } from '../util/within.ts';
import type { Deployment } from './deployment.ts';
import type { StopReport } from './deployment-state.ts';

export class Retirement {
  readonly #leaving = new Map<Deployment, { plugin: string; stopped: Promise<StopReport> }>();

  /** Resolves when nothing of it is left. `first`: what is still to come before it is stopped. */
  retire(plugin: string, deployment: Deployment, first?: Promise<void>): Promise<StopReport> {
    const stop = (): Promise<StopReport> => deployment.stop(leaveTimeoutMs(deployment.options));
    const stopped = (first === undefined ? stop() : first.then(stop)).finally(() => this.#leaving.delete(deployment));
    this.#leaving.set(deployment, { plugin, stopped });
    return stopped;
  }

  /** Resolves when nothing is left of those that are leaving now, of one version or of all. */
  async left(plugin: string, version: string | undefined): Promise<void> {
    const leaving = [...this.#leaving].filter(([{ release }, entry]) => entry.plugin === plugin && release.version === (version ?? release.version));
    await Promise.all(leaving.map(([deployment, { stopped }]) => this.#ended(deployment, stopped)));
  }

  of(plugin: string): Deployment[] {
    return [...this.#leaving].filter(([, entry]) => entry.plugin === plugin).map(([deployment]) => deployment);
  }

  /** What all that are still leaving come to; they get no longer than `drainTimeoutMs`, when it is given. */
  async close(drainTimeoutMs: number | undefined): Promise<StopReport[]> {
    const all = Promise.all([...this.#leaving].map(([deployment, { stopped }]) => this.#ended(deployment, stopped)));
    if (drainTimeoutMs !== undefined && !(await within(drainTimeoutMs, all))) this.kill();
    return all;
  }

  /** An operator who waits for its end waits no longer than `drainTimeoutMs` for one that stands at a breakpoint. */
  async #ended(deployment: Deployment, stopped: Promise<StopReport>): Promise<StopReport> {
    const { debug, drainTimeoutMs } = deployment.options;
    if (debug && !(await within(drainTimeoutMs, stopped))) deployment.kill();
    return stopped;
  }

  /** Ends every child that is still leaving, at once. */
  kill(): void {
    for (const deployment of this.#leaving.keys()) deployment.kill();
  }
}
