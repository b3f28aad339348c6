/** The pause between the death of one instance and the birth of the next, or the end of trying. Owns its timer and nothing else. */
import type { ChameleonError } from '../errors.ts';
import type { ResolvedRestartOptions } from '../options.ts';
import { RestartPolicy, type RestartDecision } from './restart-policy.ts';

export interface RestarterOptions {
  options: ResolvedRestartOptions;
  random(): number;
  launch(): void;
  onScheduled(delayMs: number, restarts: number): void;
  /** It was restarted as often as it may be. */
  onSpent(error: ChameleonError): void;
}

export class Restarter {
  readonly #setup: RestarterOptions;
  readonly #policy: RestartPolicy;
  #timer: NodeJS.Timeout | null = null;

  constructor(setup: RestarterOptions) {
    this.#setup = setup;
    this.#policy = new RestartPolicy(setup.options, setup.random);
  }

  get restarts(): number {
    return this.#policy.restarts;
  }

  /** An instance died with `error` after `uptimeMs`. */
  after(error: ChameleonError, uptimeMs: number): void {
    this.#follow(this.#policy.next(performance.now(), uptimeMs), error);
  }

  /** There was no room for an instance. */
  postpone(error: ChameleonError): void {
    this.#follow(this.#policy.postpone(), error);
  }

  /** Tries again without counting it: what serves now serves on. */
  later(): void {
    this.#timer = setTimeout(this.#setup.launch, this.#setup.options.maxBackoffMs);
  }

  cancel(): void {
    clearTimeout(this.#timer ?? undefined);
  }

  #follow(decision: RestartDecision, error: ChameleonError): void {
    if (decision.kind === 'give-up') return this.#setup.onSpent(error);
    this.#setup.onScheduled(decision.delayMs, this.#policy.restarts);
    this.#timer = setTimeout(this.#setup.launch, decision.delayMs);
  }
}
