/** Versions of the fixture `versioned`, each with a behaviour of its own. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PluginOptions } from '../../src/index.ts';
import { putFixture } from './put-plugin.ts';
import type { Supervise, Watched } from './supervise.ts';

/** See the fixture for what there is. */
export type Behaviour = Record<string, unknown>;

export async function putVersion(folder: string, version: string, behaviour: Behaviour = {}): Promise<string> {
  const dir = await putFixture(folder, 'versioned', { version });
  await writeFile(join(dir, 'behaviour.json'), JSON.stringify(behaviour));
  return dir;
}

export interface Versions extends Watched {
  folder: string;
  /** Puts another version there; resolves with its folder. */
  put(version: string, behaviour?: Behaviour): Promise<string>;
}

/** A supervisor with version 1.0.0 active, which is good. */
export async function beginVersions(supervise: Supervise, options: PluginOptions = {}, behaviour: Behaviour = {}): Promise<Versions> {
  const folder = await supervise.tempDir();
  const watched = await supervise({ defaults: options });
  await watched.supervisor.load(await putVersion(folder, '1.0.0', behaviour));
  return { ...watched, folder, put: (version, given) => putVersion(folder, version, given) };
}

/** Calls all the while, and says what came of it. */
export class Traffic {
  readonly answers: unknown[] = [];
  readonly errors: Error[] = [];
  readonly #done: Promise<unknown>;
  #over = false;

  /** `workers` callers, each of which makes its next call when it has its answer. */
  constructor(call: (n: number) => Promise<unknown>, workers = 4) {
    const work = async (first: number): Promise<void> => {
      for (let n = first; !this.#over; n += workers) {
        await call(n).then(
          (answer) => this.answers.push(answer),
          (error: Error) => this.errors.push(error),
        );
        // A refusal may be settled before anything else has its turn.
        await new Promise(setImmediate);
      }
    };
    this.#done = Promise.all(Array.from({ length: workers }, (_, i) => work(i)));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#done;
  }
}
