/** Versions that are installed and do not run, started by the first call that asks for one. Keeps calls that wait for that. */
import type { Release } from '../catalog/release.ts';
import { VersionNotFoundError, type ChameleonError } from '../errors.ts';
import type { Call } from './call.ts';
import type { Deployment } from './deployment.ts';
import type { Fleet } from './fleet.ts';
import { performance } from '../util/timers.ts';

export class OnDemand {
  /** Versions that run since a call asked for them. */
  readonly started = new Set<string>();
  readonly #plugin: string;
  readonly #fleet: Fleet;
  readonly #installed: (range: string) => Promise<Release | null>;
  readonly #start: (release: Release) => Deployment;
  /** By range: one look at the disk for all that ask meanwhile. */
  readonly #looking = new Map<string, Promise<Release | null>>();

  constructor(plugin: string, fleet: Fleet, installed: (range: string) => Promise<Release | null>, start: (release: Release) => Deployment) {
    this.#plugin = plugin;
    this.#fleet = fleet;
    this.#installed = installed;
    this.#start = start;
  }

  /** Hands `call` to the version that it asks for, started for it where it must be; else fails it. */
  async serve(call: Call): Promise<void> {
    const range = call.range ?? '*';
    try {
      const release = await this.#look(range);
      if (call.settled) return;
      if (release === null) throw new VersionNotFoundError(this.#plugin, range, this.#fleet.versions);
      this.#running(release).submit(call, performance.now());
    } catch (error) {
      call.fail(error as ChameleonError);
    }
  }

  #running(release: Release): Deployment {
    const { kept, held, versions } = this.#fleet;
    // One that gave up is there, too: more calls are no reason to try again.
    const there = kept.find(({ release: { version } }) => version === release.version);
    if (there === undefined) {
      const started = this.#start(release);
      this.started.add(release.version);
      return started;
    }
    // What it owned is another version's now.
    if (there === held && there.isQuiesced) throw new VersionNotFoundError(this.#plugin, release.version, versions);
    return there;
  }

  #look(range: string): Promise<Release | null> {
    const under = this.#looking.get(range);
    if (under !== undefined) return under;
    const look = this.#installed(range).finally(() => this.#looking.delete(range));
    this.#looking.set(range, look);
    return look;
  }
}
