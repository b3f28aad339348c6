/** The pause before the next start of a seat. Owns its one timer and nothing else. */
import type { ChameleonError } from '../errors.ts';
import type { ResolvedRestartOptions } from '../options.ts';
import { RestartPolicy, type RestartDecision } from './restart-policy.ts';
import { clearTimeout, performance, setTimeout } from '../util/timers.ts';

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
  /** On the monotonic clock. */
  #dueAt = 0;

  constructor(setup: RestarterOptions) {
    this.#setup = setup;
    this.#policy = new RestartPolicy(setup.options, setup.random);
  }

  get restarts(): number {
    return this.#policy.restarts;
  }

  /** Milliseconds until the next start; null while none is due. */
  get dueInMs(): number | null {
    return this.#timer === null ? null : Math.max(0, Math.ceil(this.#dueAt - performance.now()));
  }

  /** An instance died with `error` after `uptimeMs`. */
  after(error: ChameleonError, uptimeMs: number): void {
    this.#follow(this.#policy.next(performance.now(), uptimeMs), error);
  }

  /** A start failed with `error`, however long it took. */
  startFailed(error: ChameleonError): void {
    this.#follow(this.#policy.startFailed(performance.now()), error);
  }

  /** There was no room for an instance. */
  postpone(error: ChameleonError): void {
    this.#follow(this.#policy.postpone(), error);
  }

  /** Tries again after a delay that grows to a minute, without counting it. */
  slowly(): void {
    this.#wait(this.#policy.slowly());
  }

  /** An instance is ready: no start is due any more. */
  started(): void {
    this.cancel();
    this.#policy.started();
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #follow(decision: RestartDecision, error: ChameleonError): void {
    if (decision.kind === 'give-up') return this.#setup.onSpent(error);
    this.#setup.onScheduled(decision.delayMs, this.#policy.restarts);
    this.#wait(decision.delayMs);
  }

  #wait(delayMs: number): void {
    this.cancel();
    this.#dueAt = performance.now() + delayMs;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#setup.launch();
    }, delayMs);
  }
}
