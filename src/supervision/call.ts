/**
 * One call, from the caller's promise down to the frame on the wire. Owns its deadline and its one settlement.
 * The same object waits in the queue, stands in the channel's table and is retried, so that a call costs one of each.
 *
 * 1. The promise settles exactly once; what comes later only frees what the work still held.
 * 2. One deadline, made at the beginning: waiting, every attempt and every pause count against it.
 */
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { CallCancelledError, CallTimeoutError, PayloadTooLargeError, type ChameleonError, type ErrorSubject } from '../errors.ts';
import type { CallObserver } from '../events.ts';
import { attachmentsMember, bytesOf, inline, NO_ATTACHMENTS, payloadBytes, textBytes } from '../protocol/attachments.ts';
import { framed } from '../protocol/framing.ts';
import { giveBackPayload, type Payload } from '../protocol/json.ts';
import type { WireError } from '../protocol/messages.ts';
import type { QueueItem } from '../resilience/queue.ts';
import type { PendingCall } from '../rpc/channel.ts';
import type { Carrier } from './carrier.ts';

/** Where a call is under way: told what happens to it. */
export interface Place {
  started(call: Call): void;
  sent(call: Call): void;
  answered(call: Call, result: unknown, at: number): void;
  refused(call: Call, error: WireError, isLarge: boolean): void;
  garbled(call: Call, reason: string): void;
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
const NOTHING: readonly Buffer[] = [];

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
  admission: QueueItem['admission'] = null;
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
  readonly #request: CallRequest;
  readonly #deadline: NodeJS.Timeout;
  readonly #onAbort: (() => void) | null = null;
  #release: (() => void) | null = null;
  /** Attempts whose frame is in the pipe, or was when that broke. */
  #leaving = 0;
  #succeeded = false;
  #resolve!: (result: unknown) => void;
  #reject!: (error: ChameleonError) => void;

  constructor(request: CallRequest) {
    this.#request = request;
    this.id = request.id;
    this.method = request.method;
    this.range = request.range;
    const { json, attachments } = request.params;
    this.bytes = payloadBytes(json, attachments);
    this.key = request.key;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.madeAt = performance.now();
    this.deadlineAt = this.madeAt + request.timeoutMs;
    this.#deadline = setTimeout(expire, request.timeoutMs, this);
    const { signal } = request;
    if (signal !== undefined) {
      // One signal for many calls is no leak, and Node is not to warn of one.
      if (signal instanceof EventTarget) setMaxListeners(0, signal);
      this.#onAbort = () => this.#abandon(new CallCancelledError(this.subject, signal.reason), 'cancelled');
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
  }

  get subject(): ErrorSubject {
    return { plugin: this.#request.plugin, version: this.version, method: this.method };
  }

  /** Method and arguments, as one short text. */
  get digest(): string {
    const { json, attachments } = this.#request.params;
    const hash = createHash('sha256').update(json).update(attachmentsMember(attachments));
    for (const { bytes } of attachments) hash.update(bytes);
    return `${this.method} ${hash.digest('hex').slice(0, 16)}`;
  }

  get timeoutMs(): number {
    return this.#request.timeoutMs;
  }

  get isRunning(): boolean {
    return this.sentAt !== null;
  }

  tooLarge(bytes: number, limit: number): PayloadTooLargeError | null {
    return bytes + ENVELOPE_BYTES > limit ? new PayloadTooLargeError(this.subject, 'arguments', bytes, limit) : null;
  }

  /**
   * Makes the frame of this attempt, with what is left of the deadline now. Returns the error where the arguments fit as bytes but not as
   * the numbers that this child wants.
   */
  encode(now: number, takesAttachments: boolean, limit: number): PayloadTooLargeError | null {
    const { params, traceparent } = this.#request;
    let { json, attachments } = params;
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
    const release = this.#release;
    this.#release = null;
    release?.();
  }

  succeed(result: unknown, at = performance.now()): void {
    if (!this.#settle(null, at)) return;
    this.#resolve(result);
    this.#succeeded = true;
    this.#giveBack();
  }

  /** Only what is certain to be read by nobody: not what failed, which may be looked at yet, and not what is in a pipe. */
  #giveBack(): void {
    if (this.#succeeded && this.#leaving === 0 && !this.sharesParams) giveBackPayload(this.#request.params);
  }

  fail(error: ChameleonError): void {
    if (!this.#settle(error.code, performance.now())) return;
    this.#reject(error);
  }

  /** Before another attempt. */
  again(): void {
    this.attempt++;
    this.sentAt = null;
    const { observer, plugin } = this.#request;
    observer?.retried(plugin, this.version, this.method);
  }

  expire(): void {
    this.#abandon(new CallTimeoutError(this.subject, this.#request.timeoutMs, this.isRunning ? 'running' : 'queued'), 'timeout');
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
    if (this.#onAbort !== null) this.#request.signal?.removeEventListener('abort', this.#onAbort);
    const { observer, plugin } = this.#request;
    if (observer !== null) {
      if (this.sentAt === null) observer.settled(plugin, this.version, this.method, code, now - this.madeAt, -1);
      else observer.settled(plugin, this.version, this.method, code, this.sentAt - this.madeAt, now - this.sentAt);
    }
    return true;
  }
}

function expire(call: Call): void {
  call.expire();
}
