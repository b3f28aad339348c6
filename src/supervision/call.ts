/**
 * One call, from the caller's promise down to the frame on the wire. Owns its deadline and its one settlement.
 * The same object waits in the queue, stands in the channel's table and is retried, so that a call costs one of each.
 *
 * 1. The promise settles exactly once; what comes later only frees what the work still held.
 * 2. One deadline, made at the beginning: waiting, every attempt and every pause count against it.
 * 3. Once it is settled and no attempt is under way it holds neither arguments nor signal: hosts keep errors, V8 keeps the frames of an
 *    error until its stack is read, and such a frame keeps the call.
 */
import { createHash } from 'node:crypto';
import type { Outage } from '../error-base.ts';
import { CallCancelledError, CallTimeoutError, PayloadTooLargeError, type ChameleonError, type ErrorSubject } from '../errors.ts';
import type { CallObserver } from '../events.ts';
import { attachmentsMember, bytesOf, inline, NO_ATTACHMENTS, payloadBytes, textBytes } from '../protocol/attachments.ts';
import { framed } from '../protocol/frame.ts';
import { giveBackPayload, type Payload } from '../protocol/json.ts';
import type { WireError } from '../protocol/messages.ts';
import type { QueueItem } from '../resilience/queue.ts';
import type { Admission } from '../resilience/waiting-list.ts';
import type { PendingCall } from '../rpc/channel.ts';
import type { Carrier } from './carrier.ts';
import { follow, unfollow, type Follower } from './signals.ts';
import { clearTimeout, performance, setImmediate, setTimeout } from '../util/timers.ts';

/** Where a call is under way: told what happens to it. */
export interface Place {
  started(call: Call): void;
  sent(call: Call): void;
  answered(call: Call, result: unknown, at: number): void;
  refused(call: Call, error: WireError, isLarge: boolean): void;
  garbled(call: Call, reason: string): void;
  /** Why no child can take the call; null while one can. */
  outage?(): Outage | null;
  /** The caller has its answer already: the deadline passed, or it cancelled. */
  abandoned(call: Call, why: 'timeout' | 'cancelled'): void;
}

export interface CallRequest {
  id: number;
  plugin: string;
  /** The version range that was asked for; null for the active version. */
  range: string | null;
  method: string;
  /** The arguments, as the text of a JSON array with the bytes in them. */
  params: Payload;
  timeoutMs: number;
  /** Whom the call is for. */
  key: string | undefined;
  signal: AbortSignal | undefined;
  traceparent: string | undefined;
  observer: CallObserver | null;
}

/** What a frame adds to the arguments: enough for the longest method name. */
const ENVELOPE_BYTES = 512;
/** A timer that is later than this was held up by our own loop. */
const LATE_MS = 10;
const NOTHING: readonly Buffer[] = [];
const NO_PARAMS: Payload = { json: '', attachments: NO_ATTACHMENTS };
/** It pauses before a retry, or its version is being looked for. */
const NOT_PLACED: Outage = { state: 'had not been given the call yet', error: null };

export class Call implements QueueItem, PendingCall {
  readonly id: number;
  readonly method: string;
  readonly range: string | null;
  readonly key: string | undefined;
  readonly bytes: number;
  readonly promise: Promise<unknown>;
  readonly madeAt: number;
  readonly deadlineAt: number;
  version = '';
  attempt = 1;
  /** The breaker's leave for this attempt; -1 once it was told how the attempt ended. */
  generation = -1;
  place: Place | null = null;
  admission: Admission<QueueItem> | null = null;
  /** Whom it was given to. */
  carrier: Carrier | null = null;
  frame: string | null = null;
  behind: readonly Buffer[] = NOTHING;
  sentAt: number | null = null;
  settled = false;
  /** It was sent to another version after it had failed on one. */
  hasMoved = false;
  /** Nobody waits for it, and no version but the one that it was made for may have it. */
  isCopy = false;
  /** Another call has the same arguments. */
  sharesParams = false;
  /** Of the pause before a retry, or of the grace for a cancel: never both. */
  timer: NodeJS.Timeout | null = null;
  readonly timeoutMs: number;
  readonly #plugin: string;
  readonly #traceparent: string | undefined;
  readonly #observer: CallObserver | null;
  #params: Payload;
  readonly #deadline: NodeJS.Timeout;
  #follower: Follower | null = null;
  #release: (() => void) | null = null;
  /** Attempts whose frame is in the pipe, or was when that broke. */
  #leaving = 0;
  #succeeded = false;
  #resolve!: (result: unknown) => void;
  #reject!: (error: ChameleonError) => void;

  constructor(request: CallRequest) {
    this.id = request.id;
    this.method = request.method;
    this.range = request.range;
    this.bytes = payloadBytes(request.params.json, request.params.attachments);
    this.key = request.key;
    this.timeoutMs = request.timeoutMs;
    this.#plugin = request.plugin;
    this.#traceparent = request.traceparent;
    this.#observer = request.observer;
    this.#params = request.params;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.madeAt = performance.now();
    this.deadlineAt = this.madeAt + request.timeoutMs;
    this.#deadline = setTimeout(expire, request.timeoutMs, this);
    if (request.signal !== undefined) this.#follower = follow(request.signal, this);
  }

  get subject(): ErrorSubject {
    return { plugin: this.#plugin, version: this.version, method: this.method };
  }

  /** Method and arguments, as one short text. */
  get digest(): string {
    const { json, attachments } = this.#params;
    const hash = createHash('sha256').update(json).update(attachmentsMember(attachments));
    for (const { bytes } of attachments) hash.update(bytes);
    return `${this.method} ${hash.digest('hex').slice(0, 16)}`;
  }

  get isRunning(): boolean {
    return this.sentAt !== null;
  }

  /** Its caller gave up, and the grace for its cancellation is over. */
  get ignoresCancel(): boolean {
    return this.settled && this.timer === null;
  }

  tooLarge(bytes: number, limit: number): PayloadTooLargeError | null {
    return bytes + ENVELOPE_BYTES > limit ? new PayloadTooLargeError(this.subject, 'arguments', { bytes, limit, bound: 'maxMessageBytes' }) : null;
  }

  /**
   * Makes the frame of this attempt, with what is left of the deadline now. Returns the error where the arguments fit as bytes but not as
   * the numbers that this child wants.
   */
  encode(now: number, takesAttachments: boolean, limit: number): PayloadTooLargeError | null {
    const traceparent = this.#traceparent;
    let { json, attachments } = this.#params;
    if (!takesAttachments && attachments.length > 0) {
      // A byte takes two as a number, at least: what cannot fit is not even written down.
      let refused = this.tooLarge(textBytes(json) + 2 * bytesOf(attachments), limit);
      if (refused === null) {
        json = inline(json, attachments, 1);
        attachments = NO_ATTACHMENTS;
        refused = this.tooLarge(textBytes(json), limit);
      }
      if (refused !== null) return refused;
    }
    let after = `${attachmentsMember(attachments)},"deadlineMs":${Math.max(1, Math.ceil(this.deadlineAt - now))}`;
    if (this.attempt > 1) after += `,"attempt":${this.attempt}`;
    if (traceparent !== undefined) after += `,"traceparent":${JSON.stringify(traceparent)}`;
    const before = `{"jsonrpc":"2.0","id":${this.id},"method":${JSON.stringify(this.method)},"params":`;
    const { text, behind } = framed(before, json, `${after}}`, attachments);
    this.frame = text;
    this.behind = behind;
    return null;
  }

  start(release: () => void): void {
    this.#release = release;
    this.place?.started(this);
  }

  sent(now = performance.now()): void {
    this.sentAt = now;
    this.frame = '';
    if (this.behind.length > 0) this.#leaving++;
    this.behind = NOTHING;
    this.place?.sent(this);
  }

  left(): void {
    this.#leaving--;
    this.#giveBack();
  }

  answered(result: unknown, at: number): void {
    this.place?.answered(this, result, at);
  }

  refused(error: WireError, isLarge: boolean): void {
    this.place?.refused(this, error, isLarge);
  }

  garbled(reason: string): void {
    this.place?.garbled(this, reason);
  }

  /** The attempt is over: its slot is free, and nothing of it is left. */
  leave(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.place = null;
    this.carrier = null;
    this.frame = null;
    this.behind = NOTHING;
    const release = this.#release;
    this.#release = null;
    release?.();
    if (this.settled) this.#letGo();
  }

  succeed(result: unknown, at = performance.now()): void {
    if (!this.#settle(null, at)) return;
    this.#resolve(result);
    this.#succeeded = true;
    this.#giveBack();
  }

  /** Only what is certain to be read by nobody: not what failed, which may be looked at yet, and not what is in a pipe. */
  #giveBack(): void {
    if (this.#succeeded && this.#leaving === 0 && !this.sharesParams) giveBackPayload(this.#params);
  }

  /** Keeps 3, once the attempt is over: until then the digest of the arguments may be wanted. */
  #letGo(): void {
    // After a success the arguments are given back, which may be later.
    if (!this.#succeeded) this.#params = NO_PARAMS;
  }

  fail(error: ChameleonError): void {
    if (!this.#settle(error.code, performance.now())) return;
    this.#reject(error);
    if (this.place === null) this.#letGo();
  }

  /** Before another attempt. */
  again(): void {
    this.attempt++;
    this.sentAt = null;
    this.#observer?.retried(this.#plugin, this.version, this.method);
  }

  expire(): void {
    const outage = this.isRunning ? null : this.place === null ? NOT_PLACED : (this.place.outage?.() ?? null);
    this.#abandon(new CallTimeoutError(this.subject, this.timeoutMs, this.isRunning ? 'running' : 'queued', outage), 'timeout');
  }

  /** Its caller wants it no more. */
  cancel(reason: unknown): void {
    this.#abandon(new CallCancelledError(this.subject, reason), 'cancelled');
  }

  #abandon(error: ChameleonError, why: 'timeout' | 'cancelled'): void {
    if (this.settled) return;
    this.fail(error);
    // Where it pauses before a retry nobody needs to be told: the pause ends and finds it settled.
    this.place?.abandoned(this, why);
  }

  #settle(code: string | null, now: number): boolean {
    if (this.settled) return false;
    this.settled = true;
    clearTimeout(this.#deadline);
    if (this.#follower !== null) unfollow(this.#follower);
    this.#follower = null;
    const observer = this.#observer;
    if (observer !== null) {
      const plugin = this.#plugin;
      if (this.sentAt === null) observer.settled(plugin, this.version, this.method, code, now - this.madeAt, -1);
      else observer.settled(plugin, this.version, this.method, code, this.sentAt - this.madeAt, now - this.sentAt);
    }
    return true;
  }
}

function expire(call: Call): void {
  // The answer may wait in the pipe, which is read before immediates.
  if (performance.now() - call.deadlineAt > LATE_MS) setImmediate(() => call.expire());
  else call.expire();
}
