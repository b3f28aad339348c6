/**
 * One release kept running, instance after instance. Owns its instances and when the next one is started; calls are its dispatcher's.
 *
 * 1. At most one instance takes new calls, and at most one is being started.
 * 2. Calls that arrive while there is none wait inside their deadline.
 * 3. `ready` settles once: with the first readiness, or with the error of the first start.
 * 4. After `stop()` resolved nothing of it is left.
 */
import type PQueue from 'p-queue';
import type { Release } from '../catalog/release.ts';
import { PluginUnavailableError, type ChameleonError } from '../errors.ts';
import type { Emit, ReplaceReason } from '../events.ts';
import { Instance } from '../instance/instance.ts';
import type { InstanceEnd, Readiness } from '../instance/state.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { newMarker } from '../process/orphans.ts';
import { EXIT_FATAL } from '../protocol/messages.ts';
import type { ByteBudget } from '../resilience/queue.ts';
import type { DeploymentState, ExitCause, ExitFacts, VersionStatus } from '../types.ts';
import { deferred } from '../util/deferred.ts';
import { within } from '../util/within.ts';
import type { Call } from './call.ts';
import { Dispatcher } from './dispatcher.ts';
import { RestartPolicy, type RestartDecision } from './restart-policy.ts';
import { versionStatus } from './status.ts';

export interface DeploymentOptions {
  release: Release;
  options: ResolvedPluginOptions;
  /** Give up when the first instance does not become ready. */
  once: boolean;
  emit: Emit;
  /** Bounds how many children of the whole supervisor start at a time. */
  starts: PQueue;
  /** Bytes that wait in all deployments together. */
  total: ByteBudget;
  random(): number;
  onFailure(call: Call, error: ChameleonError, mayRetry: boolean): void;
  onReturned(call: Call): void;
}

type State =
  | { kind: 'starting' }
  | { kind: 'running'; instance: Instance; readiness: Readiness }
  | { kind: 'restarting' }
  | { kind: 'failed'; error: ChameleonError }
  | { kind: 'draining'; instance: Instance | null }
  | { kind: 'stopped' };

/** What stopping came to. */
export interface StopReport {
  stopped: number;
  killed: number;
  abandonedCalls: number;
}

export class Deployment {
  readonly release: Release;
  readonly options: ResolvedPluginOptions;
  readonly ready: Promise<Readiness>;
  readonly dispatcher: Dispatcher;
  readonly #setup: DeploymentOptions;
  readonly #ready = deferred<Readiness>();
  readonly #restarts: RestartPolicy;
  /** Every instance that is not gone yet. */
  readonly #instances = new Set<Instance>();
  /** Those that ignored a cancel: they end as soon as nobody waits for them. */
  readonly #tainted = new Set<Instance>();
  readonly #stopped = new AbortController();
  #state: State = { kind: 'starting' };
  #starting = false;
  #restartTimer: NodeJS.Timeout | null = null;
  #lastExit: ExitFacts | null = null;
  /** Of instances that are gone. */
  #droppedLogs = 0;
  #stopping: Promise<StopReport> | null = null;

  constructor(setup: DeploymentOptions) {
    this.#setup = setup;
    this.release = setup.release;
    this.options = setup.options;
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    this.#restarts = new RestartPolicy(setup.options.restart, setup.random);
    const { name: plugin, version } = setup.release;
    this.dispatcher = new Dispatcher({
      options: setup.options,
      total: setup.total,
      onPoisoned: ({ method, digest, deaths }) => setup.emit({ kind: 'call-poisoned', plugin, version, method, digest, deaths }),
      onSpent: (instance) => this.#replaceWarm(instance, 'max-calls'),
      onBreakerChange: (from, to) => setup.emit({ kind: 'breaker-changed', plugin, version, from, to }),
      onFailure: setup.onFailure,
      onReturned: setup.onReturned,
      onCancelIgnored: (instance) => this.#taint(instance),
      onRetiringIdle: (instance) => this.#endTainted(instance),
    });
    this.#launch();
  }

  get state(): DeploymentState {
    return this.#state.kind;
  }

  /** Whether it takes calls, now or when its child is back. */
  get isServing(): boolean {
    return this.#state.kind === 'starting' || this.#state.kind === 'running' || this.#state.kind === 'restarting';
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
    for (const instance of this.#instances) instance.kill('stopped', 'stopped at once');
  }

  status(active: boolean): VersionStatus {
    return versionStatus({
      release: this.release,
      state: this.state,
      active,
      dispatcher: this.dispatcher,
      restarts: this.#restarts.restarts,
      serving: this.#state.kind === 'running' || this.#state.kind === 'draining' ? (this.#state.instance?.status() ?? null) : null,
      instances: [...this.#instances].map((instance) => instance.status()),
      error: this.#state.kind === 'failed' ? this.#state.error : null,
      lastExit: this.#lastExit,
      droppedLogs: this.#droppedLogs + sum([...this.#instances].map((instance) => instance.droppedLogs)),
    });
  }

  async #stop(drainTimeoutMs: number): Promise<StopReport> {
    const report: StopReport = { stopped: 0, killed: 0, abandonedCalls: 0 };
    const started = performance.now();
    const instance = this.#state.kind === 'running' ? this.#state.instance : null;
    const { name: plugin, version } = this.release;
    this.#state = { kind: 'draining', instance };
    this.#stopped.abort();
    clearTimeout(this.#restartTimer ?? undefined);
    this.#ready.reject(new PluginUnavailableError({ plugin, version }, 'stopped'));
    if (instance !== null) await within(drainTimeoutMs, Promise.race([this.dispatcher.onIdle(), instance.done]));
    report.abandonedCalls += this.dispatcher.waiting;
    this.dispatcher.giveBack(() => true);
    const left = Math.max(0, drainTimeoutMs - (performance.now() - started));
    const ends = await Promise.all([...this.#instances].map((each) => each.stop(left)));
    for (const end of ends) {
      report.abandonedCalls += end.unanswered.length;
      if (end.exit.signal === 'SIGKILL') report.killed++;
      else report.stopped++;
    }
    this.dispatcher.giveBack(() => true);
    this.#state = { kind: 'stopped' };
    return report;
  }

  #launch(): void {
    if (this.#starting || this.#stopped.signal.aborted) return;
    this.#starting = true;
    void this.#setup.starts.add(async () => {
      const marker = await newMarker();
      if (this.#stopped.signal.aborted) return;
      const { release, options, emit } = this.#setup;
      const instance = new Instance({ release, options, marker, emit, onMemoryHigh: () => this.#replaceWarm(instance, 'memory-limit') });
      this.#instances.add(instance);
      void instance.done.then((end) => this.#onEnd(instance, end));
      void instance.gone.then(() => {
        this.#instances.delete(instance);
        this.#droppedLogs += instance.droppedLogs;
      });
      const readiness = await instance.ready;
      if (readiness !== null) this.#onReady(instance, readiness);
    });
  }

  #onReady(instance: Instance, readiness: Readiness): void {
    this.#starting = false;
    if (this.#stopped.signal.aborted || instance.state.kind !== 'ready') return;
    const previous = this.#state.kind === 'running' ? this.#state.instance : null;
    this.#state = { kind: 'running', instance, readiness };
    this.dispatcher.open(instance, readiness.methods);
    this.#ready.resolve(readiness);
    this.#limitAge(instance);
    if (previous !== null) void previous.stop(this.options.drainTimeoutMs);
  }

  #onEnd(instance: Instance, end: InstanceEnd): void {
    this.#tainted.delete(instance);
    const wasServing = this.#state.kind === 'running' && this.#state.instance === instance;
    if (end.kind === 'start-failed') this.#starting = false;
    if (end.kind !== 'stopped') this.#lastExit = end.exit;
    if (wasServing) {
      this.dispatcher.pause();
      this.#state = { kind: 'restarting' };
    }
    this.dispatcher.bury(end);
    if (this.#state.kind === 'draining') {
      // Nobody will carry what waits.
      if (this.#state.instance === instance) this.dispatcher.giveBack(() => true);
      return;
    }
    if (wasServing || end.kind === 'start-failed') this.#restart(end);
  }

  #restart(end: InstanceEnd): void {
    if (this.#state.kind === 'failed' || this.#starting) return;
    const isFatal = end.exit.code === EXIT_FATAL;
    if (end.kind !== 'start-failed') return this.#another(this.#decide(end.exit.uptimeMs, isFatal), this.#down(end.exit.cause));
    if (this.#state.kind === 'running') {
      // A warm replacement that did not come up: the instance that it was for serves on, and another one is tried.
      this.#restartTimer = setTimeout(() => this.#launch(), this.options.restart.maxBackoffMs);
      return;
    }
    this.#ready.reject(end.error);
    const isOver = (this.#setup.once && this.#state.kind === 'starting') || isFatal || end.error.code === 'ERR_HANDSHAKE';
    // However long it tried, a failed start was no life.
    this.#another(end.isShortage && !isOver ? this.#restarts.postpone() : this.#decide(0, isOver), end.error);
  }

  #decide(uptimeMs: number, isOver: boolean): RestartDecision {
    return isOver ? { kind: 'give-up' } : this.#restarts.next(performance.now(), uptimeMs);
  }

  /** Starts the next instance when that was decided, or gives up with `error`. */
  #another(decision: RestartDecision, error: ChameleonError): void {
    const { name: plugin, version } = this.release;
    if (decision.kind === 'give-up') {
      this.#state = { kind: 'failed', error };
      this.#setup.emit({ kind: 'plugin-failed', plugin, version, error });
      this.dispatcher.giveBack(() => true);
      return;
    }
    if (this.#state.kind !== 'starting') this.#state = { kind: 'restarting' };
    this.#setup.emit({ kind: 'restart-scheduled', plugin, version, delayMs: decision.delayMs, restarts: this.#restarts.restarts });
    this.#restartTimer = setTimeout(() => this.#launch(), decision.delayMs);
  }

  #down(cause: ExitCause): ChameleonError {
    const { name: plugin, version } = this.release;
    return new PluginUnavailableError({ plugin, version }, `down (${cause})`);
  }

  /** It gets no new calls; those that others wait for may finish until `stopTimeoutMs`. */
  #taint(instance: Instance): void {
    if (this.#state.kind !== 'running' || this.#state.instance !== instance) return;
    const { name: plugin, version } = this.release;
    this.#setup.emit({ kind: 'instance-replacing', plugin, version, instance: instance.marker, reason: 'cancel-ignored' });
    this.#tainted.add(instance);
    this.dispatcher.pause();
    this.#state = { kind: 'restarting' };
    if (!this.#starting) this.#another(this.#decide(instance.status().uptimeMs, false), this.#down('cancel-ignored'));
    const limit = setTimeout(() => this.#killTainted(instance), this.options.stopTimeoutMs);
    void instance.done.then(() => clearTimeout(limit));
    this.#endTainted(instance);
  }

  #endTainted(instance: Instance): void {
    if (this.#tainted.has(instance) && instance.calls().every((call) => (call as Call).settled)) this.#killTainted(instance);
  }

  #killTainted(instance: Instance): void {
    instance.kill('cancel-ignored', `a call went on for ${this.options.cancelGraceMs} ms after it was cancelled`);
  }

  #limitAge(instance: Instance): void {
    const { maxAgeMs } = this.options;
    if (maxAgeMs === null) return;
    const age = setTimeout(() => this.#replaceWarm(instance, 'max-age'), maxAgeMs);
    void instance.done.then(() => clearTimeout(age));
  }

  /** The instance serves until its replacement is ready. */
  #replaceWarm(instance: Instance, reason: ReplaceReason): void {
    if (this.#state.kind !== 'running' || this.#state.instance !== instance) return;
    const { name: plugin, version } = this.release;
    this.#setup.emit({ kind: 'instance-replacing', plugin, version, instance: instance.marker, reason });
    this.#launch();
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
