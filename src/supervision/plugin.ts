/**
 * The name that callers use. Routes a call to a deployment, decides on retries, and switches from one deployment to the next.
 *
 * 1. A switch is one synchronous assignment, made after the candidate is ready; a candidate that fails changes nothing.
 * 2. Rollouts of one plugin happen one after the other.
 * 3. After a switch no call that has not begun is begun by the old deployment, where the new one fits what was asked for.
 */
import type PQueue from 'p-queue';
import type { Release } from '../catalog/release.ts';
import {
  CallCancelledError,
  ManifestInvalidError,
  PluginUnavailableError,
  ReloadFailedError,
  SupervisorClosedError,
  VersionNotFoundError,
  type ChameleonError,
} from '../errors.ts';
import type { CallObserver, Emit } from '../events.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import type { CallOptions, PluginState, PluginStatus, RolloutResult } from '../types.ts';
import type { ByteBudget } from '../resilience/queue.ts';
import { Turns } from '../util/turns.ts';
import { Call } from './call.ts';
import { Deployment, type StopReport } from './deployment.ts';
import { Fleet } from './fleet.ts';
import type { Retirement } from './retirement.ts';
import { Retrier } from './retrier.ts';
import { pluginStatus } from './status.ts';

export interface PluginSetup {
  name: string;
  options: ResolvedPluginOptions;
  emit: Emit;
  starts: PQueue;
  total: ByteBudget;
  random(): number;
  observer: CallObserver | null;
  retirement: Retirement;
}

type Phase = 'activating' | 'active' | 'switching' | 'stopped';

export class Plugin {
  readonly name: string;
  readonly #setup: PluginSetup;
  #options: ResolvedPluginOptions;
  readonly #retrier: Retrier;
  #phase: Phase = 'activating';
  readonly #fleet = new Fleet();
  /** What was active before. */
  #previous: Release | null = null;
  readonly #turns = new Turns();

  constructor(setup: PluginSetup) {
    this.name = setup.name;
    this.#setup = setup;
    this.#options = setup.options;
    this.#retrier = new Retrier(setup.options.retry, setup.random, (call) => this.#resubmit(call));
  }

  get active(): Deployment | null {
    return this.#fleet.active;
  }

  get options(): ResolvedPluginOptions {
    return this.#options;
  }

  get isEmpty(): boolean {
    return this.#fleet.kept.length === 0 && this.#turns.taken === 0;
  }

  call(id: number, range: string | null, method: string, params: string, options: CallOptions): Promise<unknown> {
    const deployment = this.route(range);
    const { signal, traceparent } = options;
    const subject = { plugin: this.name, version: deployment.release.version, method };
    if (signal?.aborted) return Promise.reject(new CallCancelledError(subject, signal.reason));
    const timeoutMs = options.timeoutMs ?? deployment.dispatcher.methods?.get(method)?.timeoutMs ?? deployment.options.callTimeoutMs;
    const call = new Call({ id, plugin: this.name, range, method, params, timeoutMs, signal, traceparent, observer: this.#setup.observer });
    this.#retrier.begun();
    deployment.submit(call, call.madeAt);
    return call.promise;
  }

  /** The deployment that a call goes to now. Throws when there is none. */
  route(range: string | null): Deployment {
    const found = this.#fleet.find(range);
    if (found !== null) return found;
    if (range === null) throw this.#unavailable();
    throw new VersionNotFoundError(this.name, range, this.#fleet.versions);
  }

  /** The first version: it is kept running from now on, whether or not its first start succeeds. */
  activate(release: Release): Promise<unknown> {
    const deployment = this.#deploy(release, false);
    this.#fleet.promote(deployment);
    return deployment.ready
      .then(() => this.#setup.emit({ kind: 'plugin-activated', plugin: this.name, version: release.version, from: null }))
      .finally(() => this.#settle());
  }

  /** Keeps `release` running for calls that ask for its version. */
  pin(release: Release): Promise<unknown> {
    this.#mustBeOpen();
    const deployment = this.#deploy(release, false);
    this.#fleet.pin(deployment);
    return deployment.ready;
  }

  /** Keeps these running beside the active one, and no others. */
  async pinOnly(releases: readonly Release[]): Promise<void> {
    const running = this.#fleet.pinned;
    const isWanted = (each: Deployment): boolean => releases.some(({ version }) => version === each.release.version);
    for (const each of running.filter((deployment) => !isWanted(deployment))) await this.unload(each.release.version);
    const missing = releases.filter(({ version }) => !running.some((each) => each.release.version === version));
    await Promise.all(missing.map((release) => this.pin(release)));
  }

  /** Starts `release` beside what serves, switches to it once it is ready, and retires what served. */
  rollout(pick: () => Release | Promise<Release>, options: ResolvedPluginOptions = this.#options): Promise<RolloutResult> {
    return this.#inTurn(async () => {
      const from = this.#fleet.active;
      const release = await this.#pick(pick, from);
      this.#mustBeOpen();
      const started = performance.now();
      const candidate = this.#deploy(release, true, options);
      this.#fleet.candidate = candidate;
      if (this.#phase === 'active') this.#phase = 'switching';
      try {
        await candidate.ready;
      } catch (error) {
        await candidate.stop(0);
        throw this.#rolloutFailed(from, release.version, error as ChameleonError);
      } finally {
        this.#fleet.candidate = null;
        this.#settle();
      }
      const readyAt = performance.now();
      this.#options = options;
      this.#retrier.follow(options.retry);
      this.#switch(candidate);
      const startMs = Math.round(readyAt - started);
      const phases: RolloutResult['phases'] = [
        { name: 'start', ms: startMs },
        { name: 'switch', ms: Math.round(performance.now() - readyAt) },
      ];
      return { outcome: 'promoted', plugin: this.name, from: from?.release.version ?? null, to: release.version, phases };
    });
  }

  /** The version that was active before. Throws when there was none. */
  previous(): Release {
    const release = this.#previous;
    if (release === null) throw new VersionNotFoundError(this.name, 'previous', []);
    return release;
  }

  /** Drains and stops one version, or all of them; of several, the highest that is left becomes active. */
  unload(version?: string): Promise<void> {
    return this.#inTurn(async () => {
      const { versions } = this.#fleet;
      const leaving = this.#fleet.remove(version);
      if (leaving.length === 0 && version !== undefined) throw new VersionNotFoundError(this.name, version, versions);
      await Promise.all(leaving.map((each) => this.#retire(each)));
      for (const each of leaving) this.#setup.emit({ kind: 'plugin-unloaded', plugin: this.name, version: each.release.version });
    });
  }

  /** Refuses new calls, finishes the others, and stops. A rollout under way is given up. */
  async close(drainTimeoutMs = this.#options.drainTimeoutMs): Promise<StopReport[]> {
    this.#phase = 'stopped';
    const candidate = this.#fleet.candidate?.stop(0);
    this.#retrier.close(this.#unavailable());
    const stopped = await Promise.all(this.#fleet.kept.map((each) => each.stop(drainTimeoutMs)));
    await candidate;
    return stopped;
  }

  /** Ends every child at once; for a close that takes too long. */
  kill(): void {
    for (const each of this.#all()) each.kill();
  }

  status(): PluginStatus {
    const versions = this.#all().map((each) => each.status(each === this.#fleet.active));
    return pluginStatus(this.name, this.#state(), versions);
  }

  #state(): PluginState {
    if (this.#phase === 'stopped') return 'stopped';
    if (this.#fleet.active === null) return this.#fleet.candidate === null ? 'empty' : 'activating';
    return this.#phase;
  }

  #deploy(release: Release, once: boolean, options = this.#options): Deployment {
    const { emit, starts, total, random } = this.#setup;
    return new Deployment({
      release,
      options,
      once,
      emit,
      starts,
      total,
      random,
      onFailure: (call, error, mayRetry) => this.#retrier.failed(call, error, mayRetry),
      onReturned: (call) => this.#resubmit(call),
    });
  }

  #switch(candidate: Deployment): void {
    const { before, replaced } = this.#fleet.promote(candidate);
    const { version, dir } = candidate.release;
    this.#setup.emit({ kind: 'plugin-activated', plugin: this.name, version, from: before?.release.version ?? null });
    if (before !== null && (before.release.version !== version || before.release.dir !== dir)) this.#previous = before.release;
    for (const each of replaced) void this.#retire(each);
  }

  #retire(deployment: Deployment): Promise<StopReport> {
    deployment.dispatcher.giveBack((call) => {
      const successor = this.#fleet.find(call.range);
      return successor !== null && successor !== deployment;
    });
    return this.#setup.retirement.retire(this.name, deployment);
  }

  /** A manifest that is no good ends a rollout as a candidate that does not start. */
  async #pick(pick: () => Release | Promise<Release>, from: Deployment | null): Promise<Release> {
    try {
      return await pick();
    } catch (error) {
      if (from === null || !(error instanceof ManifestInvalidError)) throw error;
      throw this.#rolloutFailed(from, error.version ?? from.release.version, error);
    }
  }

  #rolloutFailed(from: Deployment | null, to: string, error: ChameleonError): ChameleonError {
    if (this.#phase === 'stopped') return new SupervisorClosedError({ plugin: this.name });
    if (from === null) return error;
    const failure = new ReloadFailedError(this.name, from.release.version, to, error);
    this.#setup.emit({ kind: 'reload-failed', plugin: this.name, version: to, from: from.release.version, error: failure });
    return failure;
  }

  /** Asks again which deployment is active: that may have changed. */
  #resubmit(call: Call): void {
    if (this.#phase === 'stopped') return call.fail(this.#unavailable());
    try {
      this.route(call.range).submit(call, performance.now());
    } catch (error) {
      call.fail(error as ChameleonError);
    }
  }

  #all(): Deployment[] {
    const { kept, candidate } = this.#fleet;
    return [...kept, ...(candidate === null ? [] : [candidate]), ...this.#setup.retirement.of(this.name)];
  }

  #unavailable(): ChameleonError {
    return this.#phase === 'stopped'
      ? new SupervisorClosedError({ plugin: this.name })
      : new PluginUnavailableError({ plugin: this.name }, this.#state());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(() => {
      this.#mustBeOpen();
      return work();
    });
  }

  #settle(): void {
    if (this.#phase !== 'stopped') this.#phase = 'active';
  }

  #mustBeOpen(): void {
    if (this.#phase === 'stopped') throw new SupervisorClosedError({ plugin: this.name });
  }
}
