/**
 * The deployments of one plugin: the active one, those pinned beside it, and the candidate of a rollout. Owns who is which;
 * starts and stops nothing. Every change is one synchronous step.
 */
import { highestSatisfying } from '../catalog/reference.ts';
import type { Deployment } from './deployment.ts';

export class Fleet {
  #active: Deployment | null = null;
  readonly #pinned = new Set<Deployment>();
  /** Being started by a rollout. */
  candidate: Deployment | null = null;

  get active(): Deployment | null {
    return this.#active;
  }

  get pinned(): Deployment[] {
    return [...this.#pinned];
  }

  /** What is to be kept running: the active one and the pinned ones. */
  get kept(): Deployment[] {
    return this.#active === null ? this.pinned : [this.#active, ...this.#pinned];
  }

  /** Versions that take calls. */
  get versions(): string[] {
    return this.kept.filter((each) => each.isServing).map((each) => each.release.version);
  }

  /** Where a call for `range` goes; null stands for the active version. */
  find(range: string | null): Deployment | null {
    return range === null
      ? this.#active
      : highest(
          this.kept.filter((each) => each.isServing),
          range,
        );
  }

  pin(deployment: Deployment): void {
    this.#pinned.add(deployment);
  }

  /** Makes `next` the active one; returns what it takes the place of: the active one before, and a pinned one of its version. */
  promote(next: Deployment): { before: Deployment | null; replaced: Deployment[] } {
    const before = this.#active;
    const twins = this.pinned.filter((each) => each.release.version === next.release.version);
    for (const twin of twins) this.#pinned.delete(twin);
    this.#active = next;
    return { before, replaced: before === null ? twins : [...twins, before] };
  }

  /** Takes out one version, or all; of several, the highest that is left becomes active. */
  remove(version: string | undefined): Deployment[] {
    const leaving = this.kept.filter((each) => version === undefined || each.release.version === version);
    for (const each of leaving) this.#pinned.delete(each);
    if (this.#active !== null && leaving.includes(this.#active)) {
      this.#active = highest(this.pinned, '*');
      if (this.#active !== null) this.#pinned.delete(this.#active);
    }
    return leaving;
  }
}

function highest(deployments: readonly Deployment[], range: string): Deployment | null {
  const versions = deployments.map((deployment) => ({ version: deployment.release.version, deployment }));
  return highestSatisfying(versions, range)?.deployment ?? null;
}
