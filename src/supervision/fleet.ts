/**
 * The deployments of one plugin by what they are to it: active, pinned, candidate of a rollout, held after one. Owns who is which and
 * who of them gets a call; starts and stops nothing. Every change is one synchronous step.
 */
import { highestSatisfying } from '../catalog/reference.ts';
import type { Release } from '../catalog/release.ts';
import { PluginUnavailableError, VersionNotFoundError, type ChameleonError } from '../errors.ts';
import type { Share } from '../resilience/share.ts';
import type { VersionRole } from '../types.ts';
import type { Deployment } from './deployment.ts';

export class Fleet {
  #active: Deployment | null = null;
  readonly #pinned = new Set<Deployment>();
  /** By version: why what is to run beside the active one may not be started. */
  readonly refused = new Map<string, ChameleonError>();
  /** Being tried by a rollout. */
  candidate: Deployment | null = null;
  /** What was active before, kept warm to be gone back to. */
  held: Deployment | null = null;
  /** The candidate's share of the calls for the active version. */
  share: Share | null = null;

  get active(): Deployment | null {
    return this.#active;
  }

  get pinned(): Deployment[] {
    return [...this.#pinned];
  }

  /** All that runs for callers: the active one, the pinned ones, the held one. */
  get kept(): Deployment[] {
    return [this.#active, ...this.#pinned, this.held].filter((each) => each !== null);
  }

  /** Versions that take calls. */
  get versions(): string[] {
    return this.#serving.map((each) => each.release.version);
  }

  /** Where a call for `range` goes; null stands for the active version. */
  find(range: string | null): Deployment | null {
    return range === null ? this.#active : highest(this.#serving, range);
  }

  /** The version in `range` that has failed, where it is the only answer. */
  failed(range: string): Deployment | null {
    return highest(
      this.kept.filter(({ state }) => state === 'failed'),
      range,
    );
  }

  /** Why no version in `range` is there. */
  missing(plugin: string, range: string): ChameleonError {
    const refused = [...this.refused].map(([version, error]) => ({ version, error }));
    const found = highestSatisfying(refused, range);
    if (found === undefined) return new VersionNotFoundError(plugin, range, this.versions);
    return new PluginUnavailableError({ plugin, version: found.version }, 'refused', found.error);
  }

  /** The same for a first attempt, of which the candidate may have its share; all of them when the active version has given up. */
  choose(range: string | null, key: string | undefined): Deployment | null {
    const { share, candidate } = this;
    if (range === null && share !== null && candidate !== null && (share.takes(key) || !this.#active?.isServing)) return candidate;
    return this.find(range);
  }

  /** Where a call may go that failed on `on`, as long as there are two versions to choose from; else null. */
  fallback(on: Deployment): Deployment | null {
    const other = on === this.#active ? this.held : this.#active;
    // An active one that is quiesced is about to go on.
    return other?.isServing && !(other === this.held && other.isQuiesced) ? other : null;
  }

  roleOf(deployment: Deployment): VersionRole {
    if (deployment === this.#active) return 'active';
    if (deployment === this.candidate) return 'candidate';
    if (deployment === this.held) return 'held';
    return this.#pinned.has(deployment) ? 'pinned' : 'leaving';
  }

  pin(deployment: Deployment): void {
    this.refused.delete(deployment.release.version);
    this.#pinned.add(deployment);
  }

  /** How the pinned ones differ from `wanted`, those of `spared` versions left out. */
  pinsBut(wanted: readonly Release[], spared: ReadonlySet<string>): { leaving: Deployment[]; missing: Release[] } {
    const isOne = (a: Release, b: Release): boolean => a.version === b.version && a.dir === b.dir;
    const isWanted = ({ release }: Deployment): boolean => spared.has(release.version) || wanted.some((each) => isOne(each, release));
    const isThere = (release: Release): boolean => this.pinned.some((each) => isOne(each.release, release));
    return { leaving: this.pinned.filter((each) => !isWanted(each)), missing: wanted.filter((release) => !isThere(release)) };
  }

  /** Makes `next` the active one; returns what it takes the place of: the active one before, and a pinned one of its version. */
  promote(next: Deployment): { before: Deployment | null; twins: Deployment[] } {
    const before = this.#active;
    const twins = this.pinned.filter((each) => each.release.version === next.release.version);
    for (const twin of twins) this.#pinned.delete(twin);
    this.#active = next;
    this.refused.delete(next.release.version);
    if (this.candidate === next) this.candidate = null;
    return { before, twins };
  }

  /** Takes out one version, or all; of several, the highest pinned one that is left becomes active. Not while one is held. */
  remove(version: string | undefined): Deployment[] {
    const leaving = this.kept.filter((each) => version === undefined || each.release.version === version);
    for (const each of leaving) this.#pinned.delete(each);
    if (this.#active !== null && leaving.includes(this.#active)) {
      this.#active = highest(this.pinned, '*');
      if (this.#active !== null) this.#pinned.delete(this.#active);
    }
    return leaving;
  }

  get #serving(): Deployment[] {
    return this.kept.filter((each) => each.isServing && !(each === this.held && each.isQuiesced));
  }
}

function highest(deployments: readonly Deployment[], range: string): Deployment | null {
  const versions = deployments.map((deployment) => ({ version: deployment.release.version, deployment }));
  return highestSatisfying(versions, range)?.deployment ?? null;
}
