/**
 * One version taking the place of another, from the first look at it until nothing of the old one is left, or back again.
 *
 * 1. Until the new version is ready, well, and keeps the contract, the old one has every call.
 * 2. `run` settles once, at the switch or when it was given up; what happens in the hold after that is told by an event.
 * 3. Whatever ends it early leaves the old version serving, and nothing of the new one.
 */
import { breakingChanges } from '../catalog/contract.ts';
import type { Release } from '../catalog/release.ts';
import { ContractError, ReloadFailedError, RolledBackError, SupervisorClosedError, type ChameleonError } from '../errors.ts';
import { reasonOf } from '../rollout-errors.ts';
import type { Emit } from '../events.ts';
import type { ResolvedPluginOptions, ResolvedRolloutOptions } from '../options.ts';
import { Share } from '../resilience/share.ts';
import type { RolloutPhase, RolloutReason, RolloutResult, RolloutStatus } from '../types.ts';
import { deferred } from '../util/deferred.ts';
import { Contention } from './contention.ts';
import type { Verdict } from './deployment-state.ts';
import type { Deployment } from './deployment.ts';
import type { Fleet } from './fleet.ts';
import { Handover } from './handover.ts';
import { move, type RolloutState } from './rollout-state.ts';
import { Shadow } from './shadow.ts';
import { Trial } from './trial.ts';
import { clearTimeout, performance, setTimeout } from '../util/timers.ts';

/** What a rollout needs of its plugin. */
export interface RolloutHost {
  readonly name: string;
  readonly fleet: Fleet;
  readonly emit: Emit;
  readonly isClosed: boolean;
  /** Starts a candidate; `states` are what the children of the old version handed over. */
  deploy(release: Release, options: ResolvedPluginOptions, states?: readonly unknown[]): Deployment;
  /** Resolves when nothing of it is left. `first`: what is to come before it is stopped. */
  retire(deployment: Deployment, first?: Promise<void>): Promise<unknown>;
  /** From now on the plugin lives by the options of this deployment, which is about to be active. `mayReturn`: to what was active. Default true. */
  follow(next: Deployment, mayReturn?: boolean): void;
}

export interface RolloutRequest {
  /** Checked when its turn comes: until then anything may have changed. */
  pick(): Promise<Release>;
  options: ResolvedPluginOptions;
  /** Known once it is known whether the version changes. */
  rollout(sameVersion: boolean): ResolvedRolloutOptions;
  force: boolean;
}

/** Errors that come before anything was started, and are the release's or the rollout's own. */
const OF_THE_RELEASE = new Set(['ERR_MANIFEST_INVALID', 'ERR_INTEGRITY', 'ERR_QUIESCE_FAILED', 'ERR_ROLLOUT_SUPERSEDED', 'ERR_ROLLED_BACK']);

export class Rollout {
  readonly #host: RolloutHost;
  readonly #request: RolloutRequest;
  readonly #endHold: () => void;
  readonly #given = deferred<never>();
  #from: Deployment | null;
  #state: RolloutState = { kind: 'preparing', since: performance.now() };
  #to = '';
  #plan: ResolvedRolloutOptions | null = null;
  #handover: Handover | null = null;
  #shadow: Shadow | null = null;
  /** Of both versions, from the start of the new one until the rollout is over. */
  #contention: Contention | null = null;
  #ended: Promise<RolloutResult> | null = null;
  readonly #phases: RolloutResult['phases'] = [];
  /** Resolves when what it was undone by is done. */
  settled: Promise<void> = Promise.resolve();

  /** `endHold` ends that of the rollout before. */
  constructor(host: RolloutHost, request: RolloutRequest, endHold: () => void) {
    this.#endHold = endHold;
    this.#host = host;
    this.#request = request;
    this.#from = host.fleet.active;
    this.#given.promise.catch(() => {});
  }

  get status(): RolloutStatus | null {
    const { kind } = this.#state;
    if (kind === 'over') return null;
    return { phase: kind, from: this.#from?.release.version ?? null, to: this.#to || null };
  }

  /** The copies that it wants of calls to the active version. */
  get shadow(): Shadow | null {
    if (this.#state.kind === 'holding') return this.#state.trial.copies;
    return this.#state.kind === 'canary' ? this.#shadow : null;
  }

  /** Throws what kept the new version from taking the place of the old one. Asked again it waits for the same end. */
  run(): Promise<RolloutResult> {
    this.#ended ??= this.#run();
    return this.#ended;
  }

  async #run(): Promise<RolloutResult> {
    try {
      const release = await this.#prepare();
      const candidate = await this.#probe(release);
      await this.#tryOut(candidate);
      return this.#promote(candidate);
    } catch (error) {
      throw await this.#giveUp(error as ChameleonError);
    }
  }

  /** Ends it where it is, unless the switch was made already: then nothing happens. */
  abort(error: ChameleonError): void {
    this.#given.reject(error);
  }

  /** The hold is over: what was before is retired now. */
  retire(): void {
    if (this.#state.kind !== 'holding') return;
    const { before } = this.#state;
    this.#host.fleet.held = null;
    this.#enter({ kind: 'over' });
    this.#tell('retired');
    void this.#host.retire(before);
  }

  /** Back to what is held. False when nothing is, or it would not serve. */
  undo(reason: RolloutReason, detail: string | null, stderrTail = ''): boolean {
    if (this.#state.kind !== 'holding') return false;
    const { candidate, before } = this.#state;
    if (!before.isServing) return false;
    const { fleet, emit, name } = this.#host;
    fleet.held = null;
    // What was taken back for cause is nothing to go back to.
    this.#host.follow(before, reason === 'operator');
    fleet.promote(before);
    this.#enter({ kind: 'over' });
    const result = { ...this.#result('rolled-back', reason, detail), stderrTail };
    emit({ kind: 'plugin-activated', plugin: name, version: before.release.version, from: candidate.release.version });
    emit({ kind: 'rolled-back', plugin: name, version: candidate.release.version, from: before.release.version, result });
    if (this.#handover === null) void this.#host.retire(candidate);
    else this.settled = this.#handover.back(candidate, reason !== 'operator', (first) => this.#host.retire(candidate, first));
    return true;
  }

  /** Ends the watch over what is held, which is not stopped by this. */
  stop(): void {
    if (this.#state.kind === 'holding') this.#enter({ kind: 'over' });
  }

  async #prepare(): Promise<Release> {
    const release = await this.#orGiven(this.#request.pick());
    if (this.#host.isClosed) throw new SupervisorClosedError({ plugin: this.#host.name });
    this.#to = release.version;
    // Until now the one before may have been undone.
    this.#from = this.#host.fleet.active;
    this.#tell('preparing');
    this.#endHold();
    const before = this.#from?.release;
    this.#plan = this.#request.rollout(before?.version === release.version && before.dir === release.dir);
    if (this.#plan.strategy === 'exclusive' && this.#from?.isServing) {
      this.#handover = new Handover(this.#from, this.#request.options.instances);
      await this.#orGiven(this.#handover.quiesce());
    }
    return release;
  }

  async #probe(release: Release): Promise<Deployment> {
    const { fleet } = this.#host;
    const candidate = this.#host.deploy(release, this.#request.options, this.#handover?.states);
    fleet.candidate = candidate;
    this.#contention = new Contention();
    if (this.#from !== null) this.#contention.watch(this.#from);
    this.#enter({ kind: 'probing', candidate });
    const { methods } = await this.#orGiven(candidate.ready);
    const known = this.#from?.dispatcher.methods ?? null;
    const changes = this.#request.force || known === null ? [] : breakingChanges(known, methods);
    if (changes.length > 0) throw new ContractError(this.#host.name, this.#from!.release.version, release.version, changes);
    return candidate;
  }

  /** Gives it a share of the calls, or copies of them, for as long as that was asked for. */
  async #tryOut(candidate: Deployment): Promise<void> {
    const { steps, shadow } = this.#plan!;
    const from = this.#from;
    if (!from?.isServing || this.#handover !== null || (steps.length === 0 && shadow === null)) return;
    const trial = this.#trial(candidate, from, false, (verdict) => this.#given.reject(this.#worse(verdict)));
    this.#shadow = shadow && new Shadow(candidate, shadow);
    this.#enter({ kind: 'canary', candidate, trial });
    const share = new Share(0);
    if (steps.length > 0) this.#host.fleet.share = share;
    for (const { percent, forMs } of steps.length > 0 ? steps : [{ percent: 0, forMs: shadow!.forMs }]) {
      share.percent = percent;
      await this.#pause(forMs);
    }
  }

  async #pause(ms: number): Promise<void> {
    const over = deferred<void>();
    const timer = setTimeout(over.resolve, ms);
    try {
      await this.#orGiven(over.promise);
    } finally {
      clearTimeout(timer);
    }
  }

  #promote(candidate: Deployment): RolloutResult {
    const { fleet, emit, name } = this.#host;
    const { holdMs } = this.#plan!;
    fleet.share = null;
    this.#enter({ kind: 'promoted' });
    this.#host.follow(candidate);
    const { before, twins } = fleet.promote(candidate);
    this.#handover?.done();
    emit({ kind: 'plugin-activated', plugin: name, version: this.#to, from: before?.release.version ?? null });
    for (const twin of twins) void this.#host.retire(twin);
    const result = this.#result('promoted', null, null);
    if (before === null || holdMs === 0 || !before.isServing) {
      this.#enter({ kind: 'over' });
      if (before !== null) void this.#host.retire(before);
    } else this.#hold(candidate, before, holdMs);
    return result;
  }

  #hold(candidate: Deployment, before: Deployment, holdMs: number): void {
    const trial = this.#trial(candidate, before, true, ({ reason, detail, stderrTail }) => {
      if (!this.undo(reason, detail, stderrTail)) this.retire();
    });
    this.#host.fleet.held = before;
    this.#enter({ kind: 'holding', candidate, before, trial, timer: setTimeout(() => this.retire(), holdMs) });
    // Keeps rule 3 of the plugin: what waits is not begun by the old version any more.
    before.dispatcher.giveBack((call) => before.isQuiesced || this.#host.fleet.find(call.range) === candidate);
  }

  async #giveUp(error: ChameleonError): Promise<ChameleonError> {
    const { fleet, emit, name, isClosed } = this.#host;
    const had = this.#state.kind;
    const candidate = this.#state.kind === 'probing' || this.#state.kind === 'canary' ? this.#state.candidate : null;
    fleet.share = null;
    this.#enter({ kind: 'over' });
    if (had !== 'canary') await candidate?.stop(0);
    fleet.candidate = null;
    // One that had calls may finish them; nobody waits for that.
    if (candidate !== null && had === 'canary') void this.#host.retire(candidate);
    await this.#handover?.resume();
    if (isClosed) return new SupervisorClosedError({ plugin: name });
    // What was asked for cannot be, and nothing was tried.
    if (this.#from === null || (had === 'preparing' && !OF_THE_RELEASE.has(error.code))) return error;
    const from = this.#from.release.version;
    const { stderrTail = '' } = error as { stderrTail?: string };
    const outcome = had === 'canary' && this.#plan!.steps.length > 0 ? 'rolled-back' : 'failed';
    const result = { ...this.#result(outcome, reasonOf(error), error.message), to: this.#to || (error.version ?? from), stderrTail, from };
    const failure = new ReloadFailedError(result, error);
    emit({ kind: 'reload-failed', plugin: name, version: result.to, from, error: failure });
    return failure;
  }

  #trial(candidate: Deployment, stable: Deployment, isHeld: boolean, onWorse: (verdict: Verdict) => void): Trial {
    return new Trial({ candidate, stable, isHeld, thresholds: this.#plan!.thresholds, contention: this.#contention!, onWorse });
  }

  #worse({ reason, detail, stderrTail }: Verdict): ChameleonError {
    return new RolledBackError({ plugin: this.#host.name, version: this.#to }, reason, detail, stderrTail);
  }

  #result(outcome: RolloutResult['outcome'], reason: RolloutReason | null, detail: string | null): RolloutResult {
    return {
      outcome,
      plugin: this.#host.name,
      from: this.#from?.release.version ?? null,
      to: this.#to,
      reason,
      detail,
      phases: [...this.#phases],
      outageMs: Math.round(this.#handover?.outageMs ?? 0),
      stderrTail: '',
      shadow: this.#shadow && structuredClone(this.#shadow.report),
    };
  }

  #enter(next: Parameters<typeof move>[1]): void {
    const now = performance.now();
    const { kind, since } = this.#state as { kind: RolloutPhase; since: number };
    this.#state = move(this.#state, next, now);
    this.#phases.push({ name: kind, ms: Math.round(now - since) });
    if (this.#state.kind !== 'over') this.#tell(this.#state.kind);
    else this.#contention?.end();
  }

  #tell(phase: RolloutPhase): void {
    const { name: plugin, emit } = this.#host;
    emit({ kind: 'rollout-phase', plugin, version: this.#to, from: this.#from?.release.version ?? null, phase });
  }

  #orGiven<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#given.promise]);
  }
}
