/** Versions that are installed and do not run, started by the first call that asks for one. Keeps calls that wait for that. */
import type { Release } from '../catalog/release.ts';
import { VersionNotFoundError, type ChameleonError } from '../errors.ts';
import type { Call } from './call.ts';
import type { Deployment } from './deployment.ts';

export class OnDemand {
  /** Versions that run since a call asked for them. */
  readonly started = new Set<string>();
  readonly #plugin: string;
  readonly #installed: (range: string) => Promise<Release | null>;
  readonly #start: (release: Release) => Deployment;
  /** By range: one look at the disk for all that ask meanwhile. */
  readonly #looking = new Map<string, Promise<Release | null>>();

  constructor(plugin: string, installed: (range: string) => Promise<Release | null>, start: (release: Release) => Deployment) {
    this.#plugin = plugin;
    this.#installed = installed;
    this.#start = start;
  }

  /** Hands `call` to the version that it asks for, started for it where it must be; else fails it. */
  async serve(call: Call): Promise<void> {
    const range = call.range ?? '*';
    try {
      const release = await this.#look(range);
      if (call.settled) return;
      if (release === null) throw new VersionNotFoundError(this.#plugin, range, []);
      this.started.add(release.version);
      this.#start(release).submit(call, performance.now());
    } catch (error) {
      call.fail(error as ChameleonError);
    }
  }

  #look(range: string): Promise<Release | null> {
    const under = this.#looking.get(range);
    if (under !== undefined) return under;
    const look = this.#installed(range).finally(() => this.#looking.delete(range));
    this.#looking.set(range, look);
    return look;
  }
}
