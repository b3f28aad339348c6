/**
 * One release kept running: seats for its children, and one dispatcher that brings calls to whoever sits there. Owns what the state of
 * its seats means for the version; the life of a child is its seat's, calls are the dispatcher's.
 *
 * 1. Calls that arrive while there is no child wait inside their deadline.
 * 2. `ready` settles once: when each first start was seen.
 * 3. After `stop()` resolved nothing of it is left.
 */
import type { Release } from '../catalog/release.ts';
import { PluginUnavailableError, type ChameleonError } from '../errors.ts';
import type { InstanceEnd, Readiness } from '../instance/state.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import type { DeploymentState, VersionRole, VersionStatus } from '../types.ts';
import { deferred } from '../util/deferred.ts';
import { within } from '../util/within.ts';
import type { Call } from './call.ts';
import type { Carrier } from './carrier.ts';
import { addEnds, type DeploymentOptions, type State, type StopReport, type Verdict } from './deployment-state.ts';
import { Dispatcher } from './dispatcher.ts';
import { Seat } from './seat.ts';
import { versionStatus } from './status.ts';

export class Deployment {
  readonly release: Release;
  readonly options: ResolvedPluginOptions;
  readonly ready: Promise<Readiness>;
  readonly dispatcher: Dispatcher;
  readonly #setup: DeploymentOptions;
  readonly #ready = deferred<Readiness>();
  readonly #seat: Seat;
  #state: State = { kind: 'starting' };
  #stopping: Promise<StopReport> | null = null;
  /** It handed over, and waits to be told what follows. */
  #quiesced = false;
  /** Told what makes it worse than the version before, while it is compared with that. */
  onTrouble: ((verdict: Verdict) => void) | null = null;

  constructor(setup: DeploymentOptions) {
    this.#setup = setup;
    this.release = setup.release;
    this.options = setup.options;
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    const { name: plugin, version } = setup.release;
    this.dispatcher = new Dispatcher({
      options: setup.options,
      total: setup.total,
      onPoisoned: ({ method, digest, deaths }) => setup.emit({ kind: 'call-poisoned', plugin, version, method, digest, deaths }),
      onBreakerChange: (from, to) => {
        setup.emit({ kind: 'breaker-changed', plugin, version, from, to });
        if (to === 'open') this.onTrouble?.({ reason: 'circuit-open', detail: 'its circuit opened', stderrTail: '' });
      },
      onFailure: setup.onFailure,
      onReturned: setup.onReturned,
    });
    this.#seat = new Seat({
      deployment: setup,
      state: setup.state,
      isTried: () => this.#isTried,
      onUp: (carrier, readiness) => this.#onUp(carrier, readiness),
      onDown: (carrier) => this.#onDown(carrier),
      onEnd: (end) => this.#onEnd(end),
      onStartFailed: (error) => this.#ready.reject(error),
      onRestart: (delayMs) => setup.emit({ kind: 'restart-scheduled', plugin, version, delayMs, restarts: this.#seat.restarts }),
      onGivenUp: (error) => this.#giveUp(error),
      onTrouble: (verdict) => this.onTrouble?.(verdict),
    });
    this.#seat.launch();
  }

  get state(): DeploymentState {
    return this.#state.kind;
  }

  /** Whether it takes calls, now or when its child is back. */
  get isServing(): boolean {
    return this.#state.kind === 'starting' || this.#state.kind === 'running' || this.#state.kind === 'restarting';
  }

  get isQuiesced(): boolean {
    return this.#quiesced;
  }

  submit(call: Call, now: number): void {
    call.version = this.release.version;
    switch (this.#state.kind) {
      case 'failed':
        return call.fail(new PluginUnavailableError(call.subject, 'failed', this.#state.error));
      case 'draining':
      case 'stopped':
        return call.fail(new PluginUnavailableError(call.subject, this.#state.kind));
      default:
        this.dispatcher.submit(call, now);
    }
  }

  /** Finishes what was begun within `drainTimeoutMs`, then stops every instance. */
  stop(drainTimeoutMs: number): Promise<StopReport> {
    this.#stopping ??= this.#stop(drainTimeoutMs);
    return this.#stopping;
  }

  /** Ends every instance at once; `stop` reports it. */
  kill(): void {
    this.#seat.kill();
  }

  /** Finishes what runs, lets the rest wait, and answers with what the plugin hands over. Whatever comes of it, `resume` or `stop` is due. */
  async quiesce(): Promise<unknown> {
    if (this.#state.kind !== 'running') throw new Error(`could not be asked, it is ${this.#state.kind}`);
    this.#quiesced = true;
    this.dispatcher.hold();
    return this.#seat.quiesce();
  }

  /** Serves on, with what it handed over or what came of it since. A child that cannot go on is replaced by a fresh one. */
  async resume(state: unknown): Promise<void> {
    this.#quiesced = false;
    if (this.#state.kind === 'draining' || this.#state.kind === 'stopped') return;
    if (this.#state.kind === 'failed') this.#state = { kind: 'restarting' };
    await this.#seat.resume(state);
    this.dispatcher.goOn();
  }

  status(role: VersionRole): VersionStatus {
    return versionStatus({
      release: this.release,
      state: this.state,
      role,
      dispatcher: this.dispatcher,
      restarts: this.#seat.restarts,
      serving: this.#seat.instance?.status() ?? null,
      instances: this.#seat.instances(),
      error: this.#state.kind === 'failed' ? this.#state.error : null,
      lastExit: this.#seat.lastExit?.exit ?? null,
      droppedLogs: this.#seat.droppedLogs,
    });
  }

  /** It is to be tried once, and that is not over: whoever tries it tells what comes of it. */
  get #isTried(): boolean {
    return this.#setup.once && this.#state.kind === 'starting';
  }

  async #stop(drainTimeoutMs: number): Promise<StopReport> {
    const report: StopReport = { stopped: 0, killed: 0, abandonedCalls: 0 };
    const started = performance.now();
    const { name: plugin, version } = this.release;
    this.#state = { kind: 'draining' };
    this.#seat.close();
    this.#ready.reject(new PluginUnavailableError({ plugin, version }, 'stopped'));
    const { instance } = this.#seat;
    if (instance !== null) await within(drainTimeoutMs, Promise.race([this.dispatcher.onIdle(), instance.done]));
    report.abandonedCalls += this.dispatcher.waiting;
    this.dispatcher.giveBack(() => true);
    const left = Math.max(0, drainTimeoutMs - (performance.now() - started));
    addEnds(report, await this.#seat.stop(left));
    this.dispatcher.giveBack(() => true);
    this.#state = { kind: 'stopped' };
    return report;
  }

  #onUp(carrier: Carrier, readiness: Readiness): void {
    this.#state = { kind: 'running' };
    this.dispatcher.open(carrier, readiness.methods);
    this.#ready.resolve(readiness);
  }

  #onDown(carrier: Carrier): void {
    this.dispatcher.close(carrier);
    if (this.#state.kind === 'running' && !this.dispatcher.isOpen) this.#state = { kind: 'restarting' };
  }

  #onEnd(end: InstanceEnd): void {
    this.dispatcher.bury(end);
    // Nobody will carry what waits.
    if (this.#state.kind === 'draining' && !this.dispatcher.isOpen) this.dispatcher.giveBack(() => true);
  }

  #giveUp(error: ChameleonError): void {
    const { name: plugin, version } = this.release;
    const isTried = this.#isTried;
    this.#ready.reject(error);
    this.#state = { kind: 'failed', error };
    if (!isTried) this.#setup.emit({ kind: 'plugin-failed', plugin, version, error });
    this.dispatcher.giveBack(() => true);
  }
}
