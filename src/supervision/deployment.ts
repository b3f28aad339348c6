/**
 * One release kept running, instance after instance. Owns its instances and when the next one is started; calls are its dispatcher's.
 *
 * 1. At most one instance takes new calls, and at most one is being started.
 * 2. Calls that arrive while there is none wait inside their deadline.
 * 3. `ready` settles once: with the first readiness, or with the error of the first start.
 * 4. After `stop()` resolved nothing of it is left.
 */
import type { Release } from '../catalog/release.ts';
import { PluginUnavailableError, type ChameleonError } from '../errors.ts';
import type { ReplaceReason } from '../events.ts';
import { Instance } from '../instance/instance.ts';
import type { InstanceEnd, Readiness } from '../instance/state.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { newMarker } from '../process/orphans.ts';
import { EXIT_FATAL } from '../protocol/messages.ts';
import type { DeploymentState, ExitFacts, VersionRole, VersionStatus } from '../types.ts';
import { deferred } from '../util/deferred.ts';
import { within } from '../util/within.ts';
import type { Call } from './call.ts';
import {
  addEnds,
  downError,
  type DeploymentOptions,
  type Refusal,
  type State,
  type StopReport,
  verdictOf,
  type Verdict,
} from './deployment-state.ts';
import { Dispatcher } from './dispatcher.ts';
import { Restarter } from './restarter.ts';
import { versionStatus } from './status.ts';
import { Tainted } from './tainted.ts';

export class Deployment {
  readonly release: Release;
  readonly options: ResolvedPluginOptions;
  readonly ready: Promise<Readiness>;
  readonly dispatcher: Dispatcher;
  readonly #setup: DeploymentOptions;
  readonly #ready = deferred<Readiness>();
  readonly #restarts: Restarter;
  /** Every instance that is not gone yet. */
  readonly #instances = new Set<Instance>();
  readonly #tainted: Tainted;
  readonly #stopped = new AbortController();
  #state: State = { kind: 'starting' };
  #starting = false;
  #lastExit: ExitFacts | null = null;
  /** Of instances that are gone. */
  #droppedLogs = 0;
  #stopping: Promise<StopReport> | null = null;
  /** It handed over, and waits to be told what follows. */
  #quiesced = false;
  /** For the next child. */
  #handed: unknown;
  /** Told what makes it worse than the version before, while it is compared with that. */
  onTrouble: ((verdict: Verdict) => void) | null = null;

  constructor(setup: DeploymentOptions) {
    this.#setup = setup;
    this.release = setup.release;
    this.options = setup.options;
    this.ready = this.#ready.promise;
    this.ready.catch(() => {});
    this.#tainted = new Tainted(setup.options);
    this.#handed = setup.state;
    const { name: plugin, version } = setup.release;
    this.#restarts = new Restarter({
      options: setup.options.restart,
      random: setup.random,
      launch: () => this.#launch(),
      onScheduled: (delayMs, restarts) => {
        if (this.#state.kind !== 'starting') this.#state = { kind: 'restarting' };
        setup.emit({ kind: 'restart-scheduled', plugin, version, delayMs, restarts });
      },
      onGivenUp: (error) => this.#giveUp(error),
    });
    this.dispatcher = new Dispatcher({
      options: setup.options,
      total: setup.total,
      onPoisoned: ({ method, digest, deaths }) => setup.emit({ kind: 'call-poisoned', plugin, version, method, digest, deaths }),
      onSpent: (instance) => this.#replaceWarm(instance, 'max-calls'),
      onBreakerChange: (from, to) => {
        setup.emit({ kind: 'breaker-changed', plugin, version, from, to });
        if (to === 'open') this.onTrouble?.({ reason: 'circuit-open', detail: 'its circuit opened', stderrTail: '' });
      },
      onFailure: setup.onFailure,
      onReturned: setup.onReturned,
      onCancelIgnored: (instance) => this.#taint(instance),
      onRetiringIdle: (instance) => this.#tainted.endIfIdle(instance),
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

  get isQuiesced(): boolean {
    return this.#quiesced;
  }

  submit(call: Call, now: number): void {
    call.version = this.release.version;
    if (this.isServing) return this.dispatcher.submit(call, now);
    call.fail(new PluginUnavailableError(call.subject, this.#state.kind, this.#state.kind === 'failed' ? this.#state.error : undefined));
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

  /** Finishes what runs, lets the rest wait, and answers with what the plugin hands over. Whatever comes of it, `resume` or `stop` is due. */
  async quiesce(): Promise<unknown> {
    if (this.#state.kind !== 'running') throw new Error(`could not be asked, it is ${this.#state.kind}`);
    this.#quiesced = true;
    this.dispatcher.hold();
    return this.#state.instance.quiesce();
  }

  /** Serves on, with what it handed over or what came of it since. A child that cannot go on is replaced by a fresh one. */
  async resume(state: unknown): Promise<void> {
    this.#quiesced = false;
    const instance = this.#state.kind === 'running' ? this.#state.instance : null;
    if (this.#stopped.signal.aborted) return;
    try {
      if (instance !== null && (await within(this.options.startTimeoutMs, instance.resume(state)))) return this.dispatcher.goOn();
    } catch {
      // It has no way to go on, or that way failed.
    }
    this.dispatcher.pause();
    this.#state = { kind: 'restarting' };
    this.#handed = state;
    await instance?.stop(0);
    this.#launch();
  }

  status(role: VersionRole): VersionStatus {
    return versionStatus({
      release: this.release,
      state: this.state,
      role,
      dispatcher: this.dispatcher,
      restarts: this.#restarts.restarts,
      serving: this.#state.kind === 'running' || this.#state.kind === 'draining' ? (this.#state.instance?.status() ?? null) : null,
      instances: [...this.#instances].map((instance) => instance.status()),
      error: this.#state.kind === 'failed' ? this.#state.error : null,
      lastExit: this.#lastExit,
      droppedLogs: [...this.#instances].reduce((total, { droppedLogs }) => total + droppedLogs, this.#droppedLogs),
    });
  }

  async #stop(drainTimeoutMs: number): Promise<StopReport> {
    const report: StopReport = { stopped: 0, killed: 0, abandonedCalls: 0 };
    const started = performance.now();
    const instance = this.#state.kind === 'running' ? this.#state.instance : null;
    const { name: plugin, version } = this.release;
    this.#state = { kind: 'draining', instance };
    this.#stopped.abort();
    this.#restarts.cancel();
    this.#ready.reject(new PluginUnavailableError({ plugin, version }, 'stopped'));
    if (instance !== null) await within(drainTimeoutMs, Promise.race([this.dispatcher.onIdle(), instance.done]));
    report.abandonedCalls += this.dispatcher.waiting;
    this.dispatcher.giveBack(() => true);
    const left = Math.max(0, drainTimeoutMs - (performance.now() - started));
    const ends = await Promise.all([...this.#instances].map((each) => each.stop(left)));
    addEnds(report, ends);
    this.dispatcher.giveBack(() => true);
    this.#state = { kind: 'stopped' };
    return report;
  }

  #launch(): void {
    if (this.#starting || this.#stopped.signal.aborted) return;
    this.#starting = true;
    void this.#setup.starts.add(async () => {
      const marker = await newMarker();
      const refusal = await this.#setup.verify(this.release);
      if (this.#stopped.signal.aborted) return;
      if (refusal !== null) return this.#refuse(refusal);
      const { release, options, emit } = this.#setup;
      const state = this.#handed;
      this.#handed = undefined;
      const onMemoryHigh = (): void => {
        this.onTrouble?.({ reason: 'memory-limit', detail: 'its memory came near the limit', stderrTail: '' });
        this.#replaceWarm(instance, 'memory-limit');
      };
      const instance: Instance = new Instance({ release, options, marker, state, emit, onMemoryHigh });
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
    const wasServing = this.#state.kind === 'running' && this.#state.instance === instance;
    if (end.kind === 'start-failed') this.#starting = false;
    if (end.kind !== 'stopped') this.#lastExit = end.exit;
    if (wasServing) {
      this.dispatcher.pause();
      this.#state = { kind: 'restarting' };
      // Before its calls are told: they may then go to the version before.
      if (end.kind !== 'stopped') this.onTrouble?.(verdictOf(end.exit));
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
    if (this.#state.kind === 'failed' || this.#starting || this.#quiesced) return;
    const isFatal = end.exit.code === EXIT_FATAL;
    if (end.kind !== 'start-failed') return this.#restarts.after(downError(this.release, end.exit.cause), end.exit.uptimeMs, isFatal);
    // A warm replacement that did not come up: the instance that it was for serves on.
    if (this.#state.kind === 'running') return this.#restarts.later();
    this.#ready.reject(end.error);
    const isOver = (this.#setup.once && this.#state.kind === 'starting') || isFatal || end.error.code === 'ERR_HANDSHAKE';
    if (end.isShortage && !isOver) this.#restarts.postpone(end.error);
    // However long it tried, a failed start was no life.
    else this.#restarts.after(end.error, 0, isOver);
  }

  /** Of what could not be looked at nobody knows whether it is what was installed. */
  #refuse({ error, isShortage }: Refusal): void {
    this.#starting = false;
    if (isShortage && !(this.#setup.once && this.#state.kind === 'starting')) this.#restarts.postpone(error);
    else this.#giveUp(error);
  }

  #giveUp(error: ChameleonError): void {
    const { name: plugin, version } = this.release;
    // Of one that was to be tried once, whoever tries it tells.
    const isTried = this.#setup.once && this.#state.kind === 'starting';
    this.#ready.reject(error);
    // What serves was started from what was right.
    if (this.#state.kind === 'running') return;
    this.#state = { kind: 'failed', error };
    if (!isTried) this.#setup.emit({ kind: 'plugin-failed', plugin, version, error });
    this.dispatcher.giveBack(() => true);
  }

  #taint(instance: Instance): void {
    if (this.#state.kind !== 'running' || this.#state.instance !== instance) return;
    const { name: plugin, version } = this.release;
    this.#setup.emit({ kind: 'instance-replacing', plugin, version, instance: instance.marker, reason: 'cancel-ignored' });
    this.dispatcher.pause();
    this.#state = { kind: 'restarting' };
    if (!this.#starting) this.#restarts.after(downError(this.release, 'cancel-ignored'), instance.status().uptimeMs, false);
    this.#tainted.add(instance);
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
