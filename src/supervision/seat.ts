/**
 * One place for a child in a deployment: starts a child for it, the next one when that dies, and a fresh one in place of an old one.
 * Owns its instances and its budget of restarts. Calls are the dispatcher's; what it means for the version, its deployment says.
 *
 * 1. At most one instance takes new calls, and at most one is being started.
 * 2. After `stop()` resolved nothing of it is left.
 */
import type { ChameleonError } from '../errors.ts';
import type { ReplaceReason } from '../events.ts';
import { Instance } from '../instance/instance.ts';
import type { Claim } from '../instance/spares.ts';
import type { InstanceEnd, Readiness } from '../instance/state.ts';
import { EXIT_FATAL } from '../protocol/messages.ts';
import type { ExitFacts, InstanceStatus } from '../types.ts';
import type { Carrier } from './carrier.ts';
import { downError, type DeploymentOptions, type Refusal, verdictOf, type Verdict } from './deployment-state.ts';
import { endOthers, limitAge } from './instances.ts';
import { Quiescence } from './quiescence.ts';
import { Restarter } from './restarter.ts';
import { Tainted } from './tainted.ts';

export interface SeatOptions {
  deployment: DeploymentOptions;
  /** From 0: a child has that of the one whose place it takes. */
  number: number;
  /** For its first child: what the version before handed over. */
  state: unknown;
  claim: Claim;
  /** A start that fails is the last one. */
  isTried(): boolean;
  /** From now on it takes calls. */
  onUp(carrier: Carrier, readiness: Readiness): void;
  /** From now on it takes none. */
  onDown(carrier: Carrier): void;
  /** The instance is dead; `end` has its calls. */
  onEnd(end: InstanceEnd): void;
  /** A start failed, and another one is made. */
  onStartFailed(error: ChameleonError): void;
  onRestart(delayMs: number): void;
  /** Whether it may give up, since no other seat is hoped for. */
  mayGiveUp(): boolean;
  onGivenUp(error: ChameleonError): void;
  onTrouble(verdict: Verdict): void;
}

export class Seat {
  /** The last end that nobody had asked for, and when it was. */
  lastExit: { exit: ExitFacts; at: number } | null = null;
  readonly #setup: SeatOptions;
  readonly #restarts: Restarter;
  /** Every instance that is not gone yet. */
  readonly #instances = new Set<Instance>();
  readonly #tainted: Tainted;
  #carrier: Carrier | null = null;
  #starting = false;
  /** It has used up its restarts, and was not ready since. */
  #spent = false;
  #failed = false;
  /** It hands over or has done so, and waits to be told what follows. */
  #quiescence: Quiescence | null = null;
  /** No child is wanted until the next `fill`. */
  #vacant = true;
  #closed = false;
  /** For the next child. */
  #handed: unknown;
  /** Of instances that are gone. */
  #droppedLogs = 0;

  constructor(setup: SeatOptions) {
    this.#setup = setup;
    this.#handed = setup.state;
    const { options, random } = setup.deployment;
    this.#tainted = new Tainted(options);
    this.#restarts = new Restarter({
      options: options.restart,
      random,
      launch: () => this.#launch(),
      onScheduled: (delayMs) => setup.onRestart(delayMs),
      onSpent: (error) => this.#spend(error),
    });
  }

  /** Nothing is hoped of it: it is given up, or goes on trying only because others serve. */
  get isHopeless(): boolean {
    return this.#failed || this.#spent;
  }

  get restarts(): number {
    return this.#restarts.restarts;
  }

  get droppedLogs(): number {
    return [...this.#instances].reduce((total, { droppedLogs }) => total + droppedLogs, this.#droppedLogs);
  }

  /** The instance that takes calls; null while there is none. */
  get instance(): Instance | null {
    return this.#carrier?.instance ?? null;
  }

  instances(): InstanceStatus[] {
    return [...this.#instances].map((instance) => instance.status());
  }

  /** Lets its child finish what runs, and answers with what that hands over; null without one. Nothing is started until `resume`. */
  async quiesce(): Promise<unknown> {
    const quiescence = (this.#quiescence = new Quiescence());
    this.#restarts.cancel();
    const serving = this.instance;
    await endOthers(this.#instances, serving);
    return serving === null ? null : quiescence.ask(serving);
  }

  /** Serves on, with what it handed over or what came of it since. A child that cannot go on is replaced by a fresh one. */
  async resume(state: unknown): Promise<void> {
    const quiescence = this.#quiescence;
    const carrier = this.#carrier;
    this.#quiescence = null;
    if (carrier !== null && (await quiescence?.undo(carrier.instance, state, this.#setup.deployment.options.startTimeoutMs)) !== false) return;
    if (carrier !== null) this.#setDown(carrier);
    // It stays as empty as it was where there is nothing to take up.
    if (this.#closed || (this.#vacant && state === null)) return;
    this.#restarts.cancel();
    this.#handed = state;
    await carrier?.instance.stop(0);
    this.fill();
  }

  /** A child is wanted from now on. */
  fill(): void {
    this.#vacant = this.#failed = this.#spent = false;
    this.#launch();
  }

  /** Stops its child, and starts none until the next `fill`. Resolves when nothing of it is left. */
  async vacate(): Promise<void> {
    this.#vacant = true;
    this.#restarts.cancel();
    if (this.#carrier !== null) this.#setDown(this.#carrier);
    await this.stop(this.#setup.deployment.options.drainTimeoutMs);
  }

  /** No more starts: what serves goes on until `stop`. */
  close(): void {
    this.#closed = true;
    this.#restarts.cancel();
  }

  /** Given up: only `resume` leaves that. */
  fail(): void {
    this.#failed = true;
    this.#restarts.cancel();
  }

  /** Stops every instance, each within `drainTimeoutMs`. */
  stop(drainTimeoutMs: number): Promise<InstanceEnd[]> {
    return Promise.all([...this.#instances].map((each) => each.stop(drainTimeoutMs)));
  }

  /** Ends every instance at once. */
  kill(): void {
    for (const instance of this.#instances) instance.kill('stopped', 'stopped at once');
  }

  /** Starts a child, unless one is being started. It takes the place of the one that serves. */
  #launch(): void {
    if (this.#starting || this.#closed || !this.#isWanted) return;
    this.#starting = true;
    const { starts, verify, release, options, emit } = this.#setup.deployment;
    void starts.add(async () => {
      const refusal = await verify(release);
      const { marker, spare } = await this.#setup.claim.take();
      this.#starting = this.#isWanted;
      const isOver = this.#closed || !this.#starting;
      if (isOver || refusal !== null) void spare?.end();
      if (isOver) return;
      if (refusal !== null) return this.#refuse(refusal);
      const onMemoryHigh = (): void => {
        this.#setup.onTrouble({ reason: 'memory-limit', detail: 'its memory came near the limit', stderrTail: '' });
        this.#replaceWarm(instance, 'memory-limit');
      };
      const instance: Instance = new Instance({ release, options, marker, spare, state: this.#handed, emit, onMemoryHigh });
      this.#instances.add(instance);
      void instance.done.then((end) => this.#onEnd(instance, end));
      void instance.gone.then(() => {
        this.#instances.delete(instance);
        this.#droppedLogs += instance.droppedLogs;
      });
      const readiness = await instance.ready;
      if (readiness !== null) return this.#onReady(instance, readiness);
      this.#starting = false;
      // It was ended for a hand-over, or for want of calls, which may be over by now.
      if ((await instance.done).kind === 'stopped') this.#launch();
    });
  }

  get #isWanted(): boolean {
    return !this.#vacant && this.#quiescence === null;
  }

  #onReady(instance: Instance, readiness: Readiness): void {
    this.#starting = false;
    if (this.#closed || instance.state.kind !== 'ready') return;
    this.#failed = this.#spent = false;
    this.#handed = undefined;
    const previous = this.#carrier;
    this.#carrier = {
      instance,
      number: this.#setup.number,
      isOpen: false,
      begun: 0,
      onSpent: () => this.#replaceWarm(instance, 'max-calls'),
      onCancelIgnored: () => this.#taint(instance),
      onLeft: () => this.#tainted.endIfIdle(instance),
    };
    this.#setup.onUp(this.#carrier, readiness);
    limitAge(instance, this.#setup.deployment.options.maxAgeMs, () => this.#replaceWarm(instance, 'max-age'));
    if (previous === null) return;
    this.#setup.onDown(previous);
    void previous.instance.stop(this.#setup.deployment.options.drainTimeoutMs);
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
    if (this.#closed || !this.#isWanted || this.#failed || this.#starting) return;
    const { release } = this.#setup.deployment;
    const isFatal = end.exit.code === EXIT_FATAL;
    if (end.kind !== 'start-failed') {
      const error = downError(release, end.exit.cause);
      return isFatal ? this.#giveUp(error) : this.#restarts.after(error, end.exit.uptimeMs);
    }
    // A warm replacement that did not come up: the instance that it was for serves on.
    if (this.#carrier !== null) return this.#restarts.later();
    const isOver = this.#setup.isTried() || isFatal || end.error.code === 'ERR_HANDSHAKE';
    this.#setup.onStartFailed(end.error);
    if (isOver) this.#giveUp(end.error);
    else if (end.isShortage) this.#restarts.postpone(end.error);
    // However long it tried, a failed start was no life.
    else this.#restarts.after(end.error, 0);
  }

  /** Of what could not be looked at nobody knows whether it is what was installed. */
  #refuse({ error, isShortage }: Refusal): void {
    this.#starting = false;
    if (isShortage && !this.#setup.isTried()) this.#restarts.postpone(error);
    else this.#giveUp(error);
  }

  #giveUp(error: ChameleonError): void {
    // What serves was started from what was right.
    if (this.#carrier !== null) return;
    this.#failed = true;
    this.#setup.onGivenUp(error);
  }

  #spend(error: ChameleonError): void {
    this.#spent = true;
    if (this.#setup.mayGiveUp()) this.#giveUp(error);
    else this.#restarts.later();
  }

  #taint(instance: Instance): void {
    const carrier = this.#carrier;
    if (this.#closed || carrier?.instance !== instance) return;
    this.#tellReplacing(instance, 'cancel-ignored');
    this.#setDown(carrier);
    const { release } = this.#setup.deployment;
    if (!this.#starting) this.#restarts.after(downError(release, 'cancel-ignored'), instance.status().uptimeMs);
    this.#tainted.add(instance);
  }

  /** The instance serves until its replacement is ready. */
  #replaceWarm(instance: Instance, reason: ReplaceReason): void {
    if (this.#closed || !this.#isWanted || this.#carrier?.instance !== instance) return;
    this.#tellReplacing(instance, reason);
    this.#launch();
  }

  #tellReplacing(instance: Instance, reason: ReplaceReason): void {
    const { release, emit } = this.#setup.deployment;
    emit({ kind: 'instance-replacing', plugin: release.name, version: release.version, instance: instance.marker, reason });
  }
}
