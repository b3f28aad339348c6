/**
 * The circuit breaker of one deployment. Pure: it has no clock and no timer; `now` is monotonic milliseconds that the caller gives.
 * Decides who is admitted and what the results mean for that; what counts as a failure, and counting a crash once, is the caller's.
 *
 * 1. Every change of state goes through `#transition` and begins a new generation; results of another generation change nothing.
 * 2. Half-open admits `halfOpenCalls` and no more. All of them must succeed to close it; the first failure opens it again.
 * 3. A probe holds its permit until it is recorded; an ignored one gives it back, so that another call may probe.
 * 4. While closed, a call allocates nothing.
 */
import type { ResolvedBreakerOptions } from '../options.ts';
import type { BreakerState, BreakerStatus } from '../types.ts';
import { EventWindow, RatioWindow } from './window.ts';

/** `ignored`: says nothing about the plugin's health, such as a call that its caller cancelled. */
export type Outcome = 'success' | 'failure' | 'ignored';

type State =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly until: number }
  | { readonly kind: 'half-open'; permits: number; missing: number }
  | { readonly kind: 'isolated' };

/** The generation of a call that is refused. */
const REFUSED = -1;
/** Nobody knows how long the probes will run: long enough to be no busy loop, short enough to be soon. */
const HALF_OPEN_RETRY_MS = 100;

export class Breaker {
  readonly #options: ResolvedBreakerOptions;
  readonly #onChange: (from: BreakerState, to: BreakerState) => void;
  readonly #window: FailureWindow;
  #state: State = { kind: 'closed' };
  #generation = 0;

  constructor(options: ResolvedBreakerOptions, onChange: (from: BreakerState, to: BreakerState) => void) {
    this.#options = options;
    this.#onChange = onChange;
    this.#window = failureWindow(options);
  }

  /** Asks for leave to make a call: the generation to hand to `record`, or -1 when refused. The first call after `openMs` is a probe. */
  admit(now: number): number {
    if (this.#state.kind === 'open' && now >= this.#state.until) {
      const { halfOpenCalls } = this.#options;
      this.#transition({ kind: 'half-open', permits: halfOpenCalls, missing: halfOpenCalls });
    }
    switch (this.#state.kind) {
      case 'closed':
        return this.#generation;
      case 'half-open':
        if (this.#state.permits === 0) return REFUSED;
        this.#state.permits--;
        return this.#generation;
      case 'open':
      case 'isolated':
        return REFUSED;
    }
  }

  /** Tells how an admitted call ended, once for each. A success that ran longer than `slowCallMs` is a failure. */
  record(generation: number, outcome: Outcome, now: number, runningMs: number): void {
    if (generation !== this.#generation || !this.#options.enabled) return;
    const { slowCallMs } = this.#options;
    const failed = outcome === 'failure' || (outcome === 'success' && slowCallMs !== null && runningMs > slowCallMs);
    const state = this.#state;
    if (state.kind === 'closed') {
      if (outcome !== 'ignored' && this.#window.add(failed, now)) this.#open(now);
    } else if (state.kind === 'half-open') {
      if (failed) this.#open(now);
      else if (outcome === 'ignored') state.permits++;
      else if (--state.missing === 0) this.#transition({ kind: 'closed' });
    }
  }

  /** What to tell a refused caller. 0 when isolated: an operator decides, not time. */
  retryAfterMs(now: number): number {
    if (this.#state.kind === 'half-open') return HALF_OPEN_RETRY_MS;
    return this.#state.kind === 'open' ? Math.max(0, this.#state.until - now) : 0;
  }

  /** An operator holds it open, also one that is not `enabled`: until `restore`, nothing is admitted. */
  isolate(_now: number): void {
    if (this.#state.kind !== 'isolated') this.#transition({ kind: 'isolated' });
  }

  /** Closed with nothing counted, whatever it was before. */
  restore(_now: number): void {
    if (this.#state.kind === 'closed') this.#window.clear();
    else this.#transition({ kind: 'closed' });
  }

  /** An open circuit whose time is over reads `open`, with nothing left to wait, until a call probes it. */
  status(now: number): BreakerStatus {
    const { kind } = this.#state;
    return { state: kind, failures: this.#window.failures(now), retryAfterMs: kind === 'open' ? this.retryAfterMs(now) : 0 };
  }

  #open(now: number): void {
    this.#transition({ kind: 'open', until: now + this.#options.openMs });
  }

  #transition(next: State): void {
    const from = this.#state.kind;
    this.#state = next;
    this.#generation++;
    if (next.kind === 'closed') this.#window.clear();
    this.#onChange(from, next.kind);
  }
}

interface FailureWindow {
  /** Counts one call; true when the circuit is to open. */
  add(failed: boolean, now: number): boolean;
  failures(now: number): number;
  clear(): void;
}

function failureWindow(options: ResolvedBreakerOptions): FailureWindow {
  if (options.failureRatio !== null) return new RatioWindow(options.failureRatio, options.minimumCalls, options.resetIntervalMs);
  const failures = new EventWindow(options.maxFailures, options.resetIntervalMs);
  return {
    add: (failed, now) => failed && failures.add(now),
    failures: (now) => failures.count(now),
    clear: () => failures.clear(),
  };
}
