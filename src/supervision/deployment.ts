/**
 * One release kept running: seats for its children, and one dispatcher that brings calls to whoever sits there. Owns what the state of
 * its seats means for the version; the life of a child is its seat's, calls are the dispatcher's.
 *
 * 1. Calls that arrive while there is no child wait inside their deadline.
 * 2. `ready` settles once, when each first start was seen: well where one succeeded, of one that is to be tried all.
 * 3. After `stop()` resolved nothing of it is left.
 */
import type { Release } from '../catalog/release.ts';
import type { Outage } from '../error-base.ts';
import { PluginUnavailableError, type ChameleonError, type ErrorSubject } from '../errors.ts';
import type { Instance } from '../instance/instance.ts';
import type { Claim } from '../instance/spares.ts';
import type { InstanceEnd, Readiness } from '../instance/state.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import type { DeploymentState, ExitFacts, VersionRole, VersionStatus } from '../types.ts';
import { deferred } from '../util/deferred.ts';
import { within } from '../util/within.ts';
import type { Call } from './call.ts';
import type { Carrier } from './carrier.ts';
import { addEnds, type DeploymentOptions, type State, type StopReport, type Verdict } from './deployment-state.ts';
import { Dispatcher } from './dispatcher.ts';
import { Idleness } from './idleness.ts';
import { Seat } from './seat.ts';
import { versionStatus } from './status.ts';
import { performance } from '../util/timers.ts';

export class Deployment {
  readonly release: Release;
  readonly options: ResolvedPluginOptions;
  readonly ready: Promise<Readiness>;
  readonly dispatcher: Dispatcher;
  readonly #setup: DeploymentOptions;
  readonly #ready = deferred<Readiness>();
  readonly #seats: readonly Seat[];
  /** Whose first start is still to be seen. */
  readonly #unseen: Set<Seat>;
  #readiness: Readiness | null = null;
  #firstError: ChameleonError | null = null;
  /** Of the last start that failed, while none has succeeded since. */
  #startError: ChameleonError | null = null;
  #state: State = { kind: 'starting' };
  readonly #idleness: Idleness;
  /** To spares for its children. */
  readonly #claim: Claim;
  /** Resolves when nothing is left of the children that were stopped for want of calls. */
  #emptied: Promise<unknown> = Promise.resolve();
  /** The call came then that they are started for; null while nobody waits for that. */
  #wokenAt: number | null = null;
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
      outage: () => this.#outage(),
      onPoisoned: ({ method, digest, deaths }) => setup.emit({ kind: 'call-poisoned', plugin, version, method, digest, deaths }),
      onBreakerChange: (from, to) => {
        setup.emit({ kind: 'breaker-changed', plugin, version, from, to });
        if (to === 'open') this.onTrouble?.({ reason: 'circuit-open', detail: 'its circuit opened', stderrTail: '' });
      },
      onFailure: setup.onFailure,
      onReturned: setup.onReturned,
    });
    this.#idleness = new Idleness(setup.options.idleTimeoutMs, this.dispatcher, () => this.#onIdle());
    this.#claim = setup.spares.claim(setup.release, setup.options, setup.asleep);
    this.#seats = Array.from({ length: setup.options.instances }, (_, number) => this.#seat(number));
    this.#unseen = new Set(this.#seats);
    if (setup.asleep) this.#state = { kind: 'idle' };
    else for (const seat of this.#seats) seat.fill();
  }

  get state(): DeploymentState {
    return this.#state.kind;
  }

  /** Whether it takes calls, now or when its child is there. */
  get isServing(): boolean {
    const { kind } = this.#state;
    return kind !== 'failed' && kind !== 'draining' && kind !== 'stopped';
  }

  get isQuiesced(): boolean {
    return this.#quiesced;
  }

  /** Of the children that take calls. */
  get pids(): number[] {
    return this.#serving.map((instance) => instance.status().pid).filter((pid) => pid !== null);
  }

  submit(call: Call, now: number): void {
    call.version = this.release.version;
    if (this.isServing) this.dispatcher.submit(call, now);
    else call.fail(this.#unavailable(call.subject));
    if (this.#state.kind === 'idle') this.#wake(now);
  }

  /** Finishes what was begun within `drainTimeoutMs`, then stops every instance. */
  stop(drainTimeoutMs: number): Promise<StopReport> {
    this.#stopping ??= this.#stop(drainTimeoutMs);
    return this.#stopping;
  }

  /** Ends every instance at once; `stop` reports it. */
  kill(): void {
    for (const seat of this.#seats) seat.instances.kill();
  }

  /** Finishes what runs, lets the rest wait, and answers with what each child hands over, null for none. Then `resume` or `stop` is due. */
  quiesce(): Promise<unknown[]> {
    this.#quiesced = true;
    this.dispatcher.hold();
    return Promise.all(this.#seats.map((seat) => seat.quiesce()));
  }

  /** Serves on, with what was handed over or what came of it since. Children that cannot go on are replaced by fresh ones. */
  async resume(states: readonly unknown[]): Promise<void> {
    this.#quiesced = false;
    const staysIdle = this.#state.kind === 'idle' && states.every((state) => state === null);
    if (this.#state.kind === 'failed' || (this.#state.kind === 'idle' && !staysIdle)) this.#state = { kind: 'restarting' };
    await Promise.all(this.#seats.map((seat, number) => seat.resume(states[number] ?? null)));
    this.dispatcher.goOn();
    // Nobody will carry what waits.
    if (!this.isServing && !this.dispatcher.isOpen) this.dispatcher.giveBack(() => true);
    if (this.#state.kind === 'idle') this.#wake(performance.now());
  }

  status(role: VersionRole): VersionStatus {
    return versionStatus({
      release: this.release,
      debug: this.options.debug,
      state: this.state,
      role,
      dispatcher: this.dispatcher,
      restarts: this.#restarts,
      serving: this.#serving.map((instance) => instance.status()),
      instances: this.#seats.flatMap((seat) => seat.instances.status()),
      retryAfterMs: this.#dueInMs,
      error: this.#state.kind === 'failed' ? this.#state.error : this.#startError,
      lastExit: this.#lastExit,
      droppedLogs: this.#seats.reduce((sum, { instances }) => sum + instances.droppedLogs, 0),
    });
  }

  /** It is to be tried once, and that is not over: whoever tries it tells what comes of it. */
  get #isTried(): boolean {
    return this.#setup.once && this.#unseen.size > 0;
  }

  /** Milliseconds until the next start; null while none is due. */
  get #dueInMs(): number | null {
    const due = this.#seats.map(({ restarter }) => restarter.dueInMs).filter((ms) => ms !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  get #serving(): Instance[] {
    return this.#seats.map(({ instance }) => instance).filter((instance) => instance !== null);
  }

  get #restarts(): number {
    return this.#seats.reduce((sum, { restarter }) => sum + restarter.restarts, 0);
  }

  get #lastExit(): ExitFacts | null {
    const ends = this.#seats.map(({ lastExit }) => lastExit).filter((end) => end !== null);
    return ends.toSorted((a, b) => a.at - b.at).at(-1)?.exit ?? null;
  }

  #seat(number: number): Seat {
    const { emit, states, release } = this.#setup;
    const seat: Seat = new Seat({
      deployment: this.#setup,
      number,
      state: states?.[number],
      claim: this.#claim,
      isUrgent: () => this.#setup.once || (this.#readiness ?? this.#wokenAt) !== null,
      isTried: () => this.#isTried,
      onUp: (carrier, readiness) => this.#onUp(seat, carrier, readiness),
      onDown: (carrier) => this.#onDown(seat, carrier),
      onEnd: (end) => this.#onEnd(end),
      onStartFailed: (error) => this.#onFirst(seat, error),
      onRestart: (delayMs) => emit({ kind: 'restart-scheduled', plugin: release.name, version: release.version, delayMs, restarts: this.#restarts }),
      mayGiveUp: () => this.#seats.every((each) => each.isHopeless),
      onGivenUp: (error) => this.#onGivenUp(seat, error),
      onTrouble: (verdict) => this.onTrouble?.(verdict),
    });
    return seat;
  }

  async #stop(drainTimeoutMs: number): Promise<StopReport> {
    const report: StopReport = { stopped: 0, killed: 0, abandonedCalls: 0 };
    const started = performance.now();
    const { name: plugin, version } = this.release;
    this.#state = { kind: 'draining' };
    this.#idleness.end();
    for (const seat of this.#seats) seat.close();
    this.#claim.end();
    this.#ready.reject(new PluginUnavailableError({ plugin, version }, 'stopped'));
    const allDead = Promise.all(this.#serving.map(({ done }) => done));
    await within(drainTimeoutMs, Promise.race([this.dispatcher.onIdle(), allDead]));
    report.abandonedCalls += this.dispatcher.waiting;
    this.dispatcher.giveBack(() => true);
    const left = Math.max(0, drainTimeoutMs - (performance.now() - started));
    addEnds(report, (await Promise.all(this.#seats.map((seat) => seat.instances.stop(left)))).flat());
    this.dispatcher.giveBack(() => true);
    this.#state = { kind: 'stopped' };
    return report;
  }

  #onUp(seat: Seat, carrier: Carrier, readiness: Readiness): void {
    this.#state = { kind: 'running' };
    this.#readiness ??= readiness;
    this.dispatcher.open(carrier, readiness.methods);
    this.#idleness.watch();
    this.#onFirst(seat, null);
    if (this.#wokenAt === null) return;
    const { name: plugin, version } = this.release;
    this.#setup.emit({ kind: 'woken', plugin, version, wakingMs: performance.now() - this.#wokenAt });
    this.#wokenAt = null;
  }

  #onDown(seat: Seat, carrier: Carrier): void {
    this.dispatcher.close(carrier);
    if (this.#isTried && seat.instance === null) this.#unseen.add(seat);
    if (this.#state.kind === 'running' && !this.dispatcher.isOpen) this.#state = { kind: 'restarting' };
  }

  #onEnd(end: InstanceEnd): void {
    this.dispatcher.bury(end);
    // Nobody will carry what waits.
    if (this.#state.kind === 'draining' && !this.dispatcher.isOpen) this.dispatcher.giveBack(() => true);
  }

  #onIdle(): void {
    if (this.#quiesced || this.#unseen.size > 0 || (this.#state.kind !== 'running' && this.#state.kind !== 'restarting'))
      return this.#idleness.watch();
    const { name: plugin, version } = this.release;
    this.#state = { kind: 'idle' };
    this.#setup.emit({ kind: 'idle-stopped', plugin, version });
    this.#emptied = Promise.all(this.#seats.map((seat) => seat.vacate()));
  }

  /** Starts the children again, where a call waits for them: once, however many calls that is. */
  #wake(now: number): void {
    if (this.#quiesced || this.dispatcher.waiting === 0) return;
    this.#state = { kind: 'starting' };
    this.#wokenAt = now;
    // What the old child owned, the new one may need.
    void this.#emptied.then(() => {
      for (const seat of this.#seats) seat.fill();
    });
  }

  /** A start of this seat was seen: the first one counts. */
  #onFirst(seat: Seat, error: ChameleonError | null): void {
    this.#firstError ??= error;
    this.#startError = error;
    if (error !== null && this.#setup.once) return this.#ready.reject(error);
    this.#unseen.delete(seat);
    if (this.#unseen.size > 0) return;
    if (this.#readiness !== null) this.#ready.resolve(this.#readiness);
    else this.#ready.reject(this.#firstError!);
  }

  #onGivenUp(seat: Seat, error: ChameleonError): void {
    const isTried = this.#isTried;
    this.#onFirst(seat, error);
    if (!this.#seats.every((each) => each.isHopeless)) return;
    if (this.options.restart.whenSpent === 'stop') for (const each of this.#seats) each.fail();
    this.#wokenAt = null;
    const { name: plugin, version } = this.release;
    const isNew = this.#state.kind !== 'failed';
    this.#state = { kind: 'failed', error };
    this.onTrouble?.({ reason: 'crashed', detail: error.message, stderrTail: '' });
    // A start that was tried again and failed is told by its own event.
    if (isNew && !isTried) this.#setup.emit({ kind: 'plugin-failed', plugin, version, error, retryAfterMs: this.#dueInMs });
    this.dispatcher.giveBack(() => true);
  }

  #unavailable(subject: ErrorSubject): PluginUnavailableError {
    const { kind } = this.#state;
    return new PluginUnavailableError(subject, kind, this.#state.kind === 'failed' ? this.#state.error : undefined, this.#dueInMs);
  }

  #outage(): Outage {
    const state = this.#quiesced ? 'was handing over to another version' : this.#readiness === null ? 'was still starting' : 'was restarting';
    return { state, error: this.#startError };
  }
}
