/**
 * The way of calls through one deployment: breaker, queue, instance, and back. Owns the queue and the breaker; which instances
 * carry the calls, and when there is none, its deployment says.
 *
 * 1. A slot lives as long as the work: a call that was given up keeps it until the child answers or dies.
 * 2. The breaker is told once of every call that it admitted, and once of a death, however many calls that took along.
 * 3. A call that was never sent is not lost with its instance: it waits again, before all others.
 * 4. When the circuit opens, what waits is not sent to the plugin that it protects.
 * 5. A deadline that the caller chose shorter than the method's own counts neither for the breaker nor against a version on trial.
 */
import type { Outage } from '../error-base.ts';
import { CircuitOpenError, MethodNotFoundError, PluginCrashedError, ProtocolError, QueueFullError, type ChameleonError } from '../errors.ts';
import type { InstanceEnd } from '../instance/state.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { ErrorCode, type WireError } from '../protocol/messages.ts';
import { Breaker, type Outcome } from '../resilience/breaker.ts';
import { CallQueue, type ByteBudget } from '../resilience/queue.ts';
import { type RecentCall, RecentCalls } from '../resilience/recent.ts';
import type { PendingCall } from '../rpc/channel.ts';
import type { BreakerState, MethodInfo, PoisonedCall } from '../types.ts';
import { blamed } from './blame.ts';
import { Call, type Place } from './call.ts';
import { type Carrier, Carriers } from './carrier.ts';
import { IgnoredCancels } from './ignored-cancels.ts';
import { Pace } from './pace.ts';
import { PoisonGuard } from './poison-guard.ts';
import { Refusals } from './refusals.ts';
import { remoteFailure } from './remote.ts';
import { performance, setTimeout } from '../util/timers.ts';

export interface DispatcherOptions {
  options: ResolvedPluginOptions;
  /** Bytes that wait in all deployments together. */
  total: ByteBudget;
  onBreakerChange(from: BreakerState, to: BreakerState): void;
  onPoisoned(call: PoisonedCall): void;
  /** An attempt failed; whether there is another one is decided above. */
  onFailure(call: Call, error: ChameleonError, mayRetry: boolean): void;
  /** Why no carrier is open, or none may be used. */
  outage(): Outage;
  /** The call was not begun and this deployment will not begin it. */
  onReturned(call: Call): void;
}

export class Dispatcher implements Place {
  readonly breaker: Breaker;
  readonly poison: PoisonGuard;
  readonly ignoredCancels: IgnoredCancels;
  /** When it was called last, or a call ended. */
  lastCallAt = 0;
  readonly #recent = new RecentCalls();
  readonly #refusals = new Refusals();
  readonly #setup: DispatcherOptions;
  readonly #queue: CallQueue<Call>;
  #methods: ReadonlyMap<string, MethodInfo> | null = null;
  readonly #carriers: Carriers;
  #held = false;
  readonly #pace: Pace;

  constructor(setup: DispatcherOptions) {
    this.#setup = setup;
    this.breaker = new Breaker(setup.options.breaker, (from, to) => {
      setup.onBreakerChange(from, to);
      // Keeps 4: asked again, each of them is refused.
      if (to === 'open' || to === 'isolated') this.giveBack(() => true);
    });
    this.poison = new PoisonGuard(setup.options, setup.onPoisoned);
    this.#carriers = new Carriers(setup.options.routing === 'key');
    const { concurrency, maxQueue, maxQueueBytes, fairBy, ignoredCancelRatio } = setup.options;
    this.#pace = new Pace(concurrency);
    this.ignoredCancels = new IgnoredCancels(concurrency, ignoredCancelRatio);
    this.#queue = new CallQueue({ concurrency, maxQueue, maxQueueBytes, fair: fairBy === 'key', total: setup.total });
    this.#queue.pause();
  }

  get waiting(): number {
    return this.#queue.waiting;
  }

  get running(): number {
    return this.#queue.running;
  }

  get heldBytes(): number {
    return this.#queue.heldBytes;
  }

  /** Known once an instance was ready. */
  get methods(): ReadonlyMap<string, MethodInfo> | null {
    return this.#methods;
  }

  /** Its calls that ended at `since` or later, the oldest first, and then those that still run. */
  recentCalls(since: number): RecentCall[] {
    const endedAt = performance.now();
    const running = this.#carriers.calls().filter((call) => call.sentAt !== null && !this.#isImpatient(call as Call));
    return [
      ...this.#recent.since(since),
      ...running.map(({ method, sentAt }) => ({ method, endedAt, ranMs: endedAt - sentAt!, failed: false, isSecond: false })),
    ];
  }

  submit(call: Call, now: number): void {
    this.lastCallAt = now;
    if (this.#methods !== null && !this.#methods.has(call.method)) return call.fail(this.#noSuchMethod(call));
    const refused = call.tooLarge(call.bytes, this.#setup.options.maxMessageBytes) ?? this.poison.refusal(call);
    if (refused !== null) return call.fail(refused);
    call.generation = this.breaker.admit(now);
    if (call.generation < 0) {
      const { state } = this.breaker.status(now);
      const retryAfterMs = Math.ceil(this.breaker.retryAfterMs(now));
      return call.fail(this.#refusals.made(now, () => new CircuitOpenError(call.subject, retryAfterMs, state === 'closed' ? 'open' : state)));
    }
    call.place = this;
    const refusal = this.#queue.offer(call);
    if (refusal === null) return;
    this.#tell(call, 'ignored', 0);
    call.leave();
    call.fail(this.#refusals.made(now, () => new QueueFullError(call.subject, refusal, this.#pace.retryAfterMs(this.#queue.waiting))));
  }

  /** Whether there is anyone to carry calls. */
  get isOpen(): boolean {
    return this.#carriers.size > 0;
  }

  /** From now on this one carries calls. */
  open(carrier: Carrier, methods: ReadonlyMap<string, MethodInfo>): void {
    this.#carriers.add(carrier);
    this.#methods = methods;
    if (!this.#held) this.#queue.resume();
  }

  /** From now on it gets no more; without any, calls wait until the next `open`. */
  close(carrier: Carrier): void {
    this.#carriers.remove(carrier);
    if (!this.isOpen) this.#queue.pause();
  }

  /** Calls wait until `goOn`; those that run go on. */
  hold(): void {
    this.#held = true;
    this.#queue.pause();
  }

  goOn(): void {
    this.#held = false;
    if (this.isOpen) this.#queue.resume();
  }

  /** Takes back the waiting calls that `filter` selects: they were not begun. */
  giveBack(filter: (call: Call) => boolean): void {
    for (const call of this.#queue.takeWaiting(filter)) {
      this.#tell(call, 'ignored', 0);
      call.leave();
      this.#setup.onReturned(call);
    }
  }

  /** Resolves when nothing waits and nothing runs. */
  onIdle(): Promise<void> {
    return this.#queue.onIdle();
  }

  /** Settles what a dead instance left, at once. */
  bury(end: InstanceEnd): void {
    const calls = end.unanswered.filter((pending) => pending instanceof Call);
    const told = calls.filter((call) => call.generation >= 0 && call.sentAt !== null);
    const culprit = blamed(told, end);
    for (const call of told) this.#tell(call, call === culprit ? 'failure' : 'ignored', 0);
    this.poison.died(calls, end);
    const unsent: Call[] = [];
    for (const call of calls) {
      call.carrier = null;
      this.ignoredCancels.remove(call);
      if (call.settled) call.leave();
      else if (call.sentAt === null) unsent.push(call);
      else this.#fail(call, new PluginCrashedError(call.subject, end.exit, true), true);
    }
    // Each goes to the front, so the last one first.
    for (const call of unsent.reverse()) {
      call.frame = null;
      this.#queue.requeue(call);
    }
  }

  started(call: Call): void {
    const carrier = this.#carriers.next(call.key);
    if (carrier === undefined || this.#methods === null) throw new Error('a slot was given while there is no instance');
    const { instance } = carrier;
    if (instance.state.kind === 'exited') {
      // Whoever hears of its end first may call at once: that call is for the next one.
      this.close(carrier);
      return this.#queue.requeue(call);
    }
    // It waited, and meanwhile it was learned that it cannot be made.
    const refusal = this.#methods.has(call.method)
      ? (this.poison.refusal(call) ?? call.encode(performance.now(), instance.takesAttachments, this.#setup.options.maxMessageBytes))
      : this.#noSuchMethod(call);
    if (refusal !== null) {
      this.#tell(call, 'ignored', 0);
      call.leave();
      return call.fail(refusal);
    }
    call.carrier = carrier;
    instance.call(call);
    if (++carrier.begun === this.#setup.options.maxCalls) carrier.onSpent();
  }

  sent(call: Call): void {
    this.#queue.sent(call);
  }

  answered(call: Call, result: unknown, at: number): void {
    const runningMs = at - call.sentAt!;
    this.#pace.add(runningMs);
    this.#tell(call, 'success', runningMs, at);
    this.poison.succeeded(call);
    this.#leave(call);
    call.succeed(result, at);
  }

  refused(call: Call, error: WireError, isLarge: boolean): void {
    if (call.settled) return this.#leave(call);
    const failure = remoteFailure(call, error, isLarge, this.#info(call));
    const isIgnored = error.code === ErrorCode.cancelled && this.#isImpatient(call);
    this.#tell(call, isIgnored ? 'ignored' : failure.outcome, performance.now() - call.sentAt!);
    this.#fail(call, failure.error, failure.mayRetry);
  }

  garbled(call: Call, reason: string): void {
    if (call.settled) return this.#leave(call);
    this.#tell(call, 'failure', 0);
    this.#fail(call, new ProtocolError(reason, call.subject), true);
  }

  outage(): Outage | null {
    return this.isOpen && !this.#held ? null : this.#setup.outage();
  }

  abandoned(call: Call, why: 'timeout' | 'cancelled'): void {
    const { carrier } = call;
    if (carrier === null) {
      this.#queue.remove(call);
      this.#tell(call, 'ignored', 0);
      return call.leave();
    }
    this.#tell(call, why === 'timeout' && call.isRunning && !this.#isImpatient(call) ? 'failure' : 'ignored', 0);
    if (carrier.instance.cancel(call)) return this.#leave(call);
    call.timer = setTimeout(() => this.#graceOver(call, carrier), this.#setup.options.cancelGraceMs);
  }

  /** The call goes on, and keeps its slot. */
  #graceOver(call: Call, carrier: Carrier): void {
    call.timer = null;
    const worst = this.ignoredCancels.add(call, carrier);
    if (carrier.isOpen) worst?.onCancelIgnored();
    else carrier.onLeft();
  }

  /** Keeps 5: the deadline says how long the caller had time, and nothing of the plugin. */
  #isImpatient(call: Call): boolean {
    return call.timeoutMs < (this.#info(call)?.timeoutMs ?? this.#setup.options.callTimeoutMs);
  }

  /** The attempt is over with an error. */
  #fail(call: Call, error: ChameleonError, mayRetry: boolean): void {
    const idempotent = this.#info(call)?.idempotent === true;
    this.#leave(call);
    this.#setup.onFailure(call, error, mayRetry && idempotent);
  }

  #leave(call: Call): void {
    const { carrier } = call;
    this.ignoredCancels.remove(call);
    call.leave();
    if (carrier !== null && !carrier.isOpen) carrier.onLeft();
  }

  #tell(call: Call, outcome: Outcome, runningMs: number, now = performance.now()): void {
    this.lastCallAt = now;
    const { generation } = call;
    call.generation = -1;
    if (generation < 0) return;
    if (outcome !== 'ignored') this.#recent.add(now, call.method, runningMs, outcome === 'failure', call.hasMoved);
    this.breaker.record(generation, outcome, now, runningMs);
  }

  #info(call: PendingCall): MethodInfo | undefined {
    return this.#methods?.get(call.method);
  }

  #noSuchMethod(call: Call): MethodNotFoundError {
    return new MethodNotFoundError(call.subject, [...(this.#methods?.keys() ?? [])]);
  }
}
