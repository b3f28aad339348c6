/**
 * The strategy `exclusive`: the old version stops before the new one starts, and gives it what it had, child by child. Calls wait
 * meanwhile in the old version's queue. Owns the states that are handed over, and how long the outage is.
 */
import { QuiesceFailedError } from '../errors.ts';
import { leaveTimeoutMs } from '../options.ts';
import { within } from '../util/within.ts';
import type { Deployment } from './deployment.ts';
import { performance } from '../util/timers.ts';

/** How long a version that is taken back for cause may finish its calls and hand over: nobody is served meanwhile. */
const FAULTY_MS = 500;

export class Handover {
  readonly #from: Deployment;
  #states: readonly unknown[] = [];
  #since = 0;
  #until: number | null = null;

  /** The new version has `instances` children. Throws `QuiesceFailedError` where they are too few for what there is to take over. */
  constructor(from: Deployment, instances: number) {
    this.#from = from;
    const { name, version } = from.release;
    if (instances >= from.options.instances) return;
    throw new QuiesceFailedError(name, version, `hands over the state of ${from.options.instances} instances, there are to be ${instances}`);
  }

  /** By seat. */
  get states(): readonly unknown[] {
    return this.#states;
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
      this.#states = await statesOf(this.#from);
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
    await this.#from.resume(this.#states);
    this.#until = performance.now();
  }

  /** From the new version, which `retire` ends, back to the old one; from one that is `faulty` at once. */
  async back(candidate: Deployment, isFaulty: boolean, retire: (first: Promise<void>) => Promise<unknown>): Promise<void> {
    const drainTimeoutMs = leaveTimeoutMs(candidate.options);
    await retire(this.#takeBack(candidate, isFaulty ? Math.min(FAULTY_MS, drainTimeoutMs) : drainTimeoutMs));
    await this.resume();
  }

  async #takeBack(candidate: Deployment, timeoutMs: number): Promise<void> {
    // A dead or hung one hands nothing over: then what it was given is the best there is.
    if (candidate.state !== 'running') return;
    try {
      this.#states = await statesOf(candidate, timeoutMs);
    } catch {
      // It had its time.
      void candidate.stop(0);
    }
  }
}

async function statesOf(deployment: Deployment, timeoutMs = leaveTimeoutMs(deployment.options)): Promise<unknown[]> {
  const answer = deployment.quiesce();
  if (await within(timeoutMs, answer)) return answer;
  throw new Error(`took more than ${timeoutMs} ms`);
}
