/**
 * The strategy `exclusive`: the old version stops before the new one starts, and gives it what it had. Calls wait meanwhile in the old
 * version's queue. Owns the state that is handed over, and how long the outage is.
 */
import { QuiesceFailedError } from '../errors.ts';
import { within } from '../util/within.ts';
import type { Deployment } from './deployment.ts';

/** How long a version that is taken back for cause may finish its calls and hand over: nobody is served meanwhile. */
const FAULTY_MS = 500;

export class Handover {
  readonly #from: Deployment;
  #state: unknown = null;
  #since = 0;
  #until: number | null = null;

  constructor(from: Deployment) {
    this.#from = from;
  }

  get state(): unknown {
    return this.#state;
  }

  /** How long calls have waited, in milliseconds. */
  get outageMs(): number {
    return this.#since === 0 ? 0 : (this.#until ?? performance.now()) - this.#since;
  }

  /** Lets what runs finish, then asks for the state. Throws `QuiesceFailedError`; `resume` is then due. */
  async quiesce(): Promise<void> {
    this.#since = performance.now();
    const { name, version } = this.#from.release;
    try {
      this.#state = await stateOf(this.#from);
    } catch (error) {
      throw new QuiesceFailedError(name, version, (error as Error).message, error);
    }
  }

  /** The new version serves. */
  done(): void {
    this.#until = performance.now();
  }

  /** The old version serves on. */
  async resume(): Promise<void> {
    await this.#from.resume(this.#state);
    this.#until = performance.now();
  }

  /** From the new version, which `retire` ends, back to the old one; from one that is `faulty` at once. */
  async back(candidate: Deployment, isFaulty: boolean, retire: (first: Promise<void>) => Promise<unknown>): Promise<void> {
    const { drainTimeoutMs } = candidate.options;
    await retire(this.#takeBack(candidate, isFaulty ? Math.min(FAULTY_MS, drainTimeoutMs) : drainTimeoutMs));
    await this.resume();
  }

  async #takeBack(candidate: Deployment, timeoutMs: number): Promise<void> {
    // A dead or hung one hands nothing over: then what it was given is the best there is.
    if (candidate.state !== 'running') return;
    try {
      this.#state = await stateOf(candidate, timeoutMs);
    } catch {
      // It had its time.
      void candidate.stop(0);
    }
  }
}

async function stateOf(deployment: Deployment, timeoutMs = deployment.options.drainTimeoutMs): Promise<unknown> {
  const answer = deployment.quiesce();
  if (await within(timeoutMs, answer)) return answer;
  throw new Error(`took more than ${timeoutMs} ms`);
}
