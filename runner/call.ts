/** The `this` of a plugin's method. Made for every call, so whatever costs something is made when it is first touched. */
import type { Call as PublicCall, PluginLog } from './api.ts';
import { monotonicMs, native } from './natives.ts';

const MAX_TIMER_MS = 2 ** 31 - 1;

export class Call implements PublicCall {
  readonly id: number;
  readonly attempt: number;
  readonly traceparent: string | undefined;
  readonly #log: PluginLog;
  readonly #expiresAt: number;
  #deadline: number | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #cancelled = false;

  /** `receivedAt` is monotonic; `deadlineMs` are the milliseconds left at that time. */
  constructor(id: number, log: PluginLog, receivedAt: number, deadlineMs = Infinity, attempt = 1, traceparent?: string) {
    this.id = id;
    this.attempt = attempt;
    this.traceparent = traceparent;
    this.#log = log;
    this.#expiresAt = receivedAt + deadlineMs;
  }

  get log(): PluginLog {
    return this.#log;
  }

  get deadline(): number {
    return (this.#deadline ??= native.dateNow() + this.#expiresAt - monotonicMs());
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const left = this.#expiresAt - monotonicMs();
      if (this.#cancelled) this.#controller.abort();
      else if (left <= 0) this.#expire();
      else if (left <= MAX_TIMER_MS) this.#timer = native.setTimeout(() => this.#expire(), left).unref();
    }
    return this.#controller.signal;
  }

  /** True once the signal has aborted, or would have if anyone had looked. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.end();
    this.#controller?.abort();
  }

  /** The work is over: nothing is left that could fire. */
  end(): void {
    if (this.#timer !== undefined) native.clearTimeout(this.#timer);
  }

  #expire(): void {
    this.#cancelled = true;
    this.#controller?.abort(new DOMException('The deadline of the call has passed', 'TimeoutError'));
  }
}
