/**
 * The name that callers use. Routes a call to a deployment, decides on retries, and has its rollouts one after the other.
 *
 * 1. A switch is one synchronous assignment, made after the candidate is ready; a candidate that fails changes nothing.
 * 2. Of active, held and candidate there is one each at the most.
 * 3. After a switch no call that has not begun is begun by the old deployment, where the new one fits what was asked for.
 */
import type { Release } from '../catalog/release.ts';
import { CallCancelledError, PluginUnavailableError, SupervisorClosedError, VersionNotFoundError, type ChameleonError } from '../errors.ts';
import type { CallObserver, Emit } from '../events.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import type { Payload } from '../protocol/json.ts';
import type { CallOptions, PluginState, PluginStatus } from '../types.ts';
import { Call } from './call.ts';
import type { DeploymentOptions, StopReport } from './deployment-state.ts';
import { Deployment } from './deployment.ts';
import { Fleet } from './fleet.ts';
import { OnDemand } from './on-demand.ts';
import type { Retirement } from './retirement.ts';
import { Retrier } from './retrier.ts';
import type { RolloutHost } from './rollout.ts';
import { Rollouts } from './rollouts.ts';
import { pluginStatus } from './status.ts';
import { performance } from '../util/timers.ts';

/** The rest is what each of its deployments is given. */
export interface PluginSetup extends Pick<DeploymentOptions, 'emit' | 'starts' | 'spares' | 'total' | 'intake' | 'random' | 'verify'> {
  name: string;
  options: ResolvedPluginOptions;
  observer: CallObserver | null;
  retirement: Retirement;
  /** An installed release that may be run, the highest in `range`; null when there is none. */
  installed(range: string): Promise<Release | null>;
}

export class Plugin implements RolloutHost {
  readonly name: string;
  readonly fleet = new Fleet();
  readonly emit: Emit;
  readonly #setup: PluginSetup;
  #options: ResolvedPluginOptions;
  readonly #retrier: Retrier;
  readonly #onDemand: OnDemand;
  /** Of which each has another version, or a fresh child, take the place of what serves. */
  readonly rollouts: Rollouts;
  #closed = false;
  /** What was active before. */
  #previous: Release | null = null;

  constructor(setup: PluginSetup) {
    this.name = setup.name;
    this.emit = setup.emit;
    this.#setup = setup;
    this.#options = setup.options;
    this.#retrier = new Retrier(setup.options.retry, setup.random, (call) => this.#resubmit(call));
    this.rollouts = new Rollouts(this);
    this.#onDemand = new OnDemand(setup.name, this.fleet, setup.installed, (release) => {
      const started = this.#pinned(release);
      this.emit({ kind: 'started-on-demand', plugin: this.name, version: release.version });
      return started;
    });
  }

  get active(): Deployment | null {
    return this.fleet.active;
  }

  get options(): ResolvedPluginOptions {
    return this.#options;
  }

  get isEmpty(): boolean {
    return this.fleet.kept.length === 0 && !this.rollouts.isBusy;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** `nextId` makes the ids of calls: of this one, and of a copy of it. */
  call(nextId: () => number, range: string | null, method: string, params: Payload, options: CallOptions): Promise<unknown> {
    let deployment = this.fleet.choose(range, options.key);
    if (deployment === null && !(range !== null && this.#options.onDemand)) deployment = this.route(range);
    const { signal } = options;
    if (signal?.aborted) {
      const subject = { plugin: this.name, version: deployment?.release.version, method };
      return Promise.reject(new CallCancelledError(subject, signal.reason));
    }
    const call = this.#call(nextId(), deployment, range, method, params, options);
    this.#retrier.begun();
    if (deployment === null) {
      void this.#onDemand.serve(call);
      return call.promise;
    }
    deployment.submit(call, call.madeAt);
    const shadow = this.rollouts.shadow;
    if (deployment === this.active && shadow?.wants(deployment, method, options.key)) {
      shadow.send(call, this.#call(nextId(), deployment, range, method, params, { ...options, signal: undefined }, null));
    }
    return call.promise;
  }

  /** The deployment that a call goes to now: one that has failed says why. Throws when there is none. */
  route(range: string | null): Deployment {
    const found = this.fleet.find(range) ?? (range === null ? null : this.fleet.failed(range));
    if (found !== null) return found;
    throw range === null ? this.#unavailable() : this.fleet.missing(this.name, range);
  }

  /** What `rollback` goes back to while nothing is held. */
  remember(previous: Release): void {
    this.#previous = previous;
  }

  /** The first version: it is kept running from now on, whether or not its first start succeeds. Resolves when that was seen, if it is due. */
  async activate(release: Release): Promise<void> {
    const deployment = this.#deploy(release, false);
    this.fleet.promote(deployment);
    const onReady = (): void => {
      // One that sleeps may be ready only when another version has long taken its place.
      if (deployment === this.active) this.emit({ kind: 'plugin-activated', plugin: this.name, version: release.version, from: null });
    };
    deployment.ready.then(onReady, () => {});
    if (!deployment.options.lazy) await deployment.ready;
  }

  /** Keeps `release` running for calls that ask for its version. Resolves when it is ready, if that is due. */
  async pin(release: Release): Promise<void> {
    const { options, ready } = this.#pinned(release);
    if (!options.lazy) await ready;
  }

  /** Whether those of these that are to run beside the active one do, and no others but those that calls asked for. */
  hasPinned(releases: readonly Release[]): boolean {
    const { leaving, missing } = this.fleet.pinsBut(releases, this.#onDemand.started);
    return leaving.length === 0 && missing.length === 0;
  }

  /** Keeps these running beside the active one, and no others but those that calls asked for. */
  async pinOnly(releases: readonly Release[]): Promise<void> {
    const { leaving, missing } = this.fleet.pinsBut(releases, this.#onDemand.started);
    for (const each of leaving) await this.unload(each.release.version);
    await Promise.all(missing.map((release) => this.pin(release)));
  }

  /** The version that was active before. Throws when there was none. */
  previous(): Release {
    const release = this.#previous;
    if (release === null) throw new VersionNotFoundError(this.name, 'previous', []);
    return release;
  }

  /** Drains and stops one version, or all of them. Of several the held one becomes active, or else the highest. */
  unload(version?: string): Promise<void> {
    return this.rollouts.inTurn(async () => {
      const { active, held, kept } = this.fleet;
      const gone = new Set(kept.map(({ release }) => release.version).filter((each) => version === undefined || each === version));
      if (version !== undefined && gone.size === 0) throw new VersionNotFoundError(this.name, version, this.fleet.versions);
      // Another version is no reason to let go of the held one.
      const isOver = [active, held].some((each) => each !== null && gone.has(each.release.version));
      if (version === undefined || version !== active?.release.version || this.rollouts.restore() === null) {
        if (isOver) this.rollouts.endHold();
        for (const each of this.fleet.remove(version)) void this.retire(each);
      }
      await this.#setup.retirement.left(this.name, version);
      for (const each of gone) this.#unloaded(each);
    });
  }

  /** Refuses new calls, finishes the others, and stops. A rollout under way is given up. */
  async close(drainTimeoutMs = this.#options.drainTimeoutMs): Promise<StopReport[]> {
    this.#closed = true;
    const ended = this.rollouts.close();
    const candidate = this.fleet.candidate?.stop(0);
    this.#retrier.close(this.#unavailable());
    const stopped = await Promise.all(this.fleet.kept.map((each) => each.stop(drainTimeoutMs)));
    await Promise.all([candidate, ended]);
    return stopped;
  }

  /** Ends every child at once; for a close that takes too long. */
  kill(): void {
    for (const each of this.#all()) each.kill();
  }

  status(): PluginStatus {
    const versions = this.#all().map((each) => each.status(this.fleet.roleOf(each)));
    return pluginStatus(this.name, this.#state(), versions, this.rollouts.status);
  }

  deploy(release: Release, options: ResolvedPluginOptions, states?: readonly unknown[]): Deployment {
    return this.#deploy(release, true, options, states);
  }

  retire(deployment: Deployment, first?: Promise<void>): Promise<StopReport> {
    // One that is quiesced begins none of them.
    deployment.dispatcher.giveBack((call) => deployment.isQuiesced || ![null, deployment].includes(this.fleet.find(call.range)));
    return this.#setup.retirement.retire(this.name, deployment, first);
  }

  follow({ release, options }: Deployment, mayReturn = true): void {
    const before = this.active?.release;
    this.#options = options;
    this.#retrier.follow(options.retry);
    if (!mayReturn) this.#previous = null;
    else if (before !== undefined && (before.version !== release.version || before.dir !== release.dir)) this.#previous = before;
  }

  #state(): PluginState {
    if (this.#closed) return 'stopped';
    if (this.active === null) return this.fleet.candidate === null ? 'empty' : 'activating';
    if (this.rollouts.isSwitching) return 'switching';
    const { state } = this.active;
    return state === 'starting' ? 'activating' : state === 'failed' ? 'failed' : 'active';
  }

  #pinned(release: Release): Deployment {
    // It was unloaded, or closed, while it was looked for what is to be pinned.
    if (this.#closed || this.active === null) throw this.#unavailable();
    const there = this.fleet.pinned.find(({ release: { version } }) => version === release.version);
    if (there !== undefined) return there;
    const deployment = this.#deploy(release, false);
    this.fleet.pin(deployment);
    return deployment;
  }

  #deploy(release: Release, once: boolean, options = this.#options, states?: readonly unknown[]): Deployment {
    const { starts, spares, total, intake, random, verify } = this.#setup;
    const deployment: Deployment = new Deployment({
      release,
      options,
      once,
      asleep: options.lazy && !once,
      states,
      emit: this.emit,
      starts,
      spares,
      total,
      intake,
      random,
      verify,
      onFailure: (call, error, mayRetry) => this.#failed(deployment, call, error, mayRetry),
      onReturned: (call) => this.#resubmit(call),
    });
    return deployment;
  }

  #call(
    id: number,
    to: Deployment | null,
    range: string | null,
    method: string,
    params: Payload,
    options: CallOptions,
    observer = this.#setup.observer,
  ): Call {
    const { key, signal, traceparent } = options;
    const { debug, callTimeoutMs } = to?.options ?? this.#options;
    // With `debug` neither the caller's own deadline counts nor the method's.
    const timeoutMs = debug ? callTimeoutMs : (options.timeoutMs ?? to?.dispatcher.methods?.get(method)?.timeoutMs ?? callTimeoutMs);
    const call = new Call({ id, plugin: this.name, range, method, params, timeoutMs, key, signal, traceparent, observer });
    call.version = to?.release.version ?? '';
    return call;
  }

  /** While there are two versions to choose from, what may run again does so at once on the other one. */
  #failed(on: Deployment, call: Call, error: ChameleonError, mayRetry: boolean): void {
    if (call.isCopy) return call.fail(error);
    const other = mayRetry && !call.hasMoved && !call.settled && call.range === null ? this.fleet.fallback(on) : null;
    if (other === null) return this.#retrier.failed(call, error, mayRetry);
    call.hasMoved = true;
    call.again();
    other.submit(call, performance.now());
  }

  /** Asks again which deployment is active: that may have changed. */
  #resubmit(call: Call): void {
    if (this.#closed || call.isCopy) return call.fail(this.#unavailable());
    try {
      this.route(call.range).submit(call, performance.now());
    } catch (error) {
      call.fail(error as ChameleonError);
    }
  }

  #all(): Deployment[] {
    const { kept, candidate } = this.fleet;
    return [...kept, ...(candidate === null ? [] : [candidate]), ...this.#setup.retirement.of(this.name)];
  }

  #unloaded(version: string): void {
    this.#onDemand.started.delete(version);
    this.emit({ kind: 'plugin-unloaded', plugin: this.name, version });
  }

  #unavailable(): ChameleonError {
    return this.#closed ? new SupervisorClosedError({ plugin: this.name }) : new PluginUnavailableError({ plugin: this.name }, this.#state());
  }
}
