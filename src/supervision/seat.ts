/**
 * One place for a child in a deployment: starts a child for it, the next one when that dies, and a fresh one in place of an old one.
 * Owns its instances and its budget of restarts. Calls are the dispatcher's; what it means for the version, its deployment says.
 *
 * 1. At most one instance takes new calls, and at most one is being started.
 * 2. After `close()` and `instances.stop()` resolved nothing of it is left.
 * 3. A replacement that was our choice uses no restart. Where it does not come up, the old child serves on.
 * 4. With the strategy `exclusive` the old child is gone before the next one is started, whatever the reason.
 */
import type { ChameleonError } from '../errors.ts';
import type { ReplaceReason } from '../events.ts';
import { Instance } from '../instance/instance.ts';
import type { InstanceEnd, Readiness } from '../instance/state.ts';
import { leaveTimeoutMs } from '../options.ts';
import { EXIT_FATAL } from '../protocol/messages.ts';
import type { ExitFacts } from '../types.ts';
import type { Carrier } from './carrier.ts';
import { downError, type Refusal, verdictOf } from './deployment-state.ts';
import { Instances, limitAge } from './instances.ts';
import { Leaving } from './leaving.ts';
import { Quiescence } from './quiescence.ts';
import { Restarter } from './restarter.ts';
import type { SeatOptions } from './seat-options.ts';
import { performance } from '../util/timers.ts';

export class Seat {
  /** The last end that nobody had asked for, and when it was. */
  lastExit: { exit: ExitFacts; at: number } | null = null;
  readonly instances = new Instances();
  readonly restarter: Restarter;
  readonly #setup: SeatOptions;
  readonly #leaving: Leaving;
  readonly #isExclusive: boolean;
  #carrier: Carrier | null = null;
  #starting = false;
  /** It has used up its restarts, and was not ready since: `retry` is tried slowly, `stop` is not tried again. */
  #spent: 'retry' | 'stop' | null = null;
  /** It hands over or has done so, and waits to be told what follows. */
  #quiescence: Quiescence | null = null;
  /** Its child hands over and ends, and the next one starts after that. */
  #succession: Promise<void> | null = null;
  /** No child is wanted until the next `fill`. */
  #vacant = true;
  #closed = false;
  /** For the next child. */
  #handed: unknown;

  constructor(setup: SeatOptions) {
    this.#setup = setup;
    this.#handed = setup.state;
    const { options, random } = setup.deployment;
    this.#leaving = new Leaving(options);
    this.#isExclusive = options.rollout.strategy === 'exclusive';
    this.restarter = new Restarter({
      options: options.restart,
      random,
      launch: () => this.#tryAgain(),
      onScheduled: (delayMs) => setup.onRestart(delayMs),
      onSpent: (error) => this.#spend(error),
    });
  }

  /** Its restarts are used up, or its fault is one that does not pass. */
  get isHopeless(): boolean {
    return this.#spent !== null;
  }

  /** The instance that takes calls; null while there is none. */
  get instance(): Instance | null {
    return this.#carrier?.instance ?? null;
  }

  /** Lets its child finish what runs, and answers with what that hands over; null without one. Nothing is started until `resume`. */
  async quiesce(): Promise<unknown> {
    const quiescence = (this.#quiescence = new Quiescence());
    this.restarter.cancel();
    await this.#succession;
    const serving = this.instance;
    await this.instances.endOthers(serving);
    return serving === null ? (this.#handed ?? null) : quiescence.ask(serving);
  }

  /** Serves on, with what it handed over or what came of it since. A child that cannot go on is replaced by a fresh one. */
  async resume(state: unknown): Promise<void> {
    const quiescence = this.#quiescence;
    const carrier = this.#carrier;
    this.#quiescence = null;
    if (carrier !== null && (await quiescence?.undo(carrier.instance, state, this.#setup.deployment.options.startTimeoutMs)) !== false) {
      if (carrier.replacing !== null && carrier === this.#carrier) this.#tryAgain();
      return;
    }
    if (carrier !== null) this.#setDown(carrier);
    // It stays as empty as it was where there is nothing to take up.
    if (this.#closed || (this.#vacant && state === null)) return;
    this.restarter.cancel();
    this.#handed = state;
    await carrier?.instance.stop(0);
    this.fill();
  }

  /** A child is wanted from now on. */
  fill(): void {
    this.#vacant = false;
    this.#spent = null;
    this.#launch();
  }

  /** Stops its child, and starts none until the next `fill`. Resolves when nothing of it is left. */
  async vacate(): Promise<void> {
    this.#vacant = true;
    this.restarter.cancel();
    if (this.#carrier !== null) this.#setDown(this.#carrier);
    await this.instances.stop(this.#setup.deployment.options.drainTimeoutMs);
  }

  /** No more starts: what serves goes on until `stop`. */
  close(): void {
    this.#closed = true;
    this.restarter.cancel();
  }

  /** Given up: only `fill` leaves that. */
  fail(): void {
    this.#spent = 'stop';
    this.restarter.cancel();
  }

  /** Starts a child, unless one is being started. It takes the place of the one that serves. */
  #launch(): void {
    if (this.#starting || this.#closed || !this.#isWanted) return;
    this.#starting = true;
    // A seat that is tried slowly keeps nobody waiting.
    const priority = this.#setup.isUrgent() && this.#spent === null ? 1 : 0;
    const start = async (): Promise<void> => {
      const instance = await this.#begin();
      if (instance === null) return;
      void this.#follow(instance);
      // What it waits for after that is not the processor.
      await instance.start.booted;
    };
    // Keeps 4.
    const free = this.#isExclusive ? this.instances.gone() : Promise.resolve();
    void free.then(() => this.#setup.deployment.starts.add(start, priority));
  }

  /** Null where none is wanted any more, or the release may not be started. */
  async #begin(): Promise<Instance | null> {
    const { verify, release, options, emit, intake } = this.#setup.deployment;
    const [refusal, { marker, spare }] = await Promise.all([this.#closed ? null : verify(release), this.#setup.claim.take()]);
    this.#starting = this.#isWanted;
    const isOver = this.#closed || !this.#starting;
    if (isOver || refusal !== null) void spare?.end();
    if (!isOver && refusal !== null) this.#refuse(refusal);
    if (isOver || refusal !== null) return null;
    const onMemoryHigh = (): void => {
      this.#setup.onTrouble({ reason: 'memory-limit', detail: 'its memory came near the limit', stderrTail: '' });
      this.#replace(instance, 'memory-limit');
    };
    const given = { marker, spare, state: this.#handed, intake: intake.intake() };
    const instance: Instance = new Instance({ release, options, ...given, emit, onMemoryHigh });
    this.instances.add(instance);
    void instance.done.then((end) => this.#onEnd(instance, end));
    return instance;
  }

  async #follow(instance: Instance): Promise<void> {
    const readiness = await instance.ready;
    if (readiness !== null) return this.#onReady(instance, readiness);
    this.#starting = false;
    // It was ended for a hand-over, or for want of calls, which may be over by now.
    if ((await instance.done).kind === 'stopped') this.#launch();
  }

  get #isWanted(): boolean {
    return !this.#vacant && this.#quiescence === null && this.#succession === null;
  }

  #onReady(instance: Instance, readiness: Readiness): void {
    this.#starting = false;
    if (this.#closed || instance.state.kind !== 'ready') return;
    this.#spent = null;
    this.restarter.started();
    this.#handed = undefined;
    const previous = this.#carrier;
    const { options } = this.#setup.deployment;
    const carrier: Carrier = (this.#carrier = {
      instance,
      number: this.#setup.number,
      isOpen: false,
      replacing: null,
      begun: 0,
      onSpent: () => this.#replace(instance, 'max-calls'),
      onCancelIgnored: () => this.#replace(instance, 'cancel-ignored'),
      onLeft: () => this.#leaving.left(instance),
    });
    // First, so that what waits goes to the fresh one.
    if (previous !== null) this.#setup.onDown(previous);
    this.#setup.onUp(carrier, readiness);
    limitAge(instance, options.maxAgeMs, () => this.#replace(instance, 'max-age'));
    if (previous?.replacing === 'cancel-ignored') void this.#leaving.drain(previous.instance);
    else void previous?.instance.stop(leaveTimeoutMs(options));
  }

  #onEnd(instance: Instance, end: InstanceEnd): void {
    const carrier = this.#carrier?.instance === instance ? this.#carrier : null;
    if (end.kind === 'start-failed') this.#starting = false;
    if (end.kind !== 'stopped') this.lastExit = { exit: end.exit, at: performance.now() };
    if (carrier !== null) {
      this.#setDown(carrier);
      // Before its calls are told: they may then go to the version before.
      if (end.kind !== 'stopped' && !this.#closed) this.#setup.onTrouble(verdictOf(end.exit));
    }
    this.#setup.onEnd(end);
    if (carrier !== null || end.kind === 'start-failed') this.#restart(end);
  }

  #setDown(carrier: Carrier): void {
    if (this.#carrier === carrier) this.#carrier = null;
    this.#setup.onDown(carrier);
  }

  #restart(end: InstanceEnd): void {
    if (this.#closed || !this.#isWanted || this.#spent === 'stop' || this.#starting) return;
    const { release } = this.#setup.deployment;
    const isFatal = end.exit.code === EXIT_FATAL;
    if (end.kind !== 'start-failed') {
      const error = downError(release, end.exit.cause);
      return isFatal ? this.#giveUp(error) : this.restarter.after(error, end.exit.uptimeMs);
    }
    // A warm replacement that did not come up: the instance that it was for serves on.
    if (this.#carrier !== null) return this.restarter.slowly();
    const isOver = this.#setup.isTried() || isFatal || end.error.code === 'ERR_HANDSHAKE';
    this.#setup.onStartFailed(end.error);
    if (isOver) this.#giveUp(end.error);
    else if (end.isShortage) this.restarter.postpone(end.error);
    else this.restarter.startFailed(end.error);
  }

  /** Of what could not be looked at nobody knows whether it is what was installed. */
  #refuse({ error, isShortage }: Refusal): void {
    this.#starting = false;
    if (isShortage && !this.#setup.isTried()) this.restarter.postpone(error);
    else this.#giveUp(error);
  }

  #giveUp(error: ChameleonError): void {
    // What serves was started from what was right.
    if (this.#carrier !== null) return;
    this.#spent = 'stop';
    this.#setup.onGivenUp(error);
  }

  #spend(error: ChameleonError): void {
    this.#spent = 'retry';
    const isLast = this.#setup.mayGiveUp();
    if (isLast && this.#setup.deployment.options.restart.whenSpent === 'stop') return this.#giveUp(error);
    this.restarter.slowly();
    if (isLast) this.#setup.onGivenUp(error);
  }

  #tryAgain(): void {
    const carrier = this.#carrier;
    if (this.#isExclusive && carrier !== null) this.#succeed(carrier);
    else this.#launch();
  }

  /** Has a fresh child take the place of the one that serves: without a gap, or with `exclusive` one after the other. */
  #replace(instance: Instance, reason: ReplaceReason): void {
    const carrier = this.#carrier;
    if (this.#closed || !this.#isWanted || carrier?.instance !== instance || carrier.replacing !== null) return;
    carrier.replacing = reason;
    const { release, emit } = this.#setup.deployment;
    emit({ kind: 'instance-replacing', plugin: release.name, version: release.version, instance: instance.marker, reason });
    this.#tryAgain();
  }

  #succeed(carrier: Carrier): void {
    this.#setDown(carrier);
    this.#succession = this.#handOver(carrier).finally(() => {
      this.#succession = null;
      if (this.#carrier === null) this.#launch();
    });
  }

  /** Keeps 4: resolves when the child is gone. Where it does not let go it serves on, and is asked again later. */
  async #handOver(carrier: Carrier): Promise<void> {
    const { instance } = carrier;
    try {
      this.#handed = await this.#leaving.handOver(instance);
    } catch {
      const { state } = instance;
      if (state.kind === 'ready' && !this.#closed && !this.#vacant && carrier.replacing !== 'cancel-ignored') {
        this.#carrier = carrier;
        this.#setup.onUp(carrier, state.readiness);
        return this.restarter.slowly();
      }
    }
    await instance.stop(0);
  }
}
