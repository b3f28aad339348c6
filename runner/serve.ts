/**
 * The calls: dispatch, cancellation, draining. Owns what runs and what waits; knows nothing of how the plugin came to be or ends.
 *
 * 1. Every call is answered once, cancelled ones too: the answer is what frees its slot.
 * 2. Control messages are seen between two calls, however many wait: no turn runs calls for longer than `TURN_MS` plus one call.
 * 3. While answers are not being read, no call is started.
 */
import { IdTable } from '../src/protocol/id-table.ts';
import { ErrorCode } from '../src/protocol/messages.ts';
import type { CallMessage } from '../src/protocol/messages.ts';
import type { PluginLog } from './api.ts';
import { errorAnswer, resultAnswer, thrownAnswer } from './answer.ts';
import { Call } from './call.ts';
import type { Channel } from './channel.ts';
import { monotonicMs, native } from './natives.ts';
import { isObject, read } from './thrown.ts';

const TURN_MS = 10;
/** What a plugin's error says of itself when the caller's arguments are to blame. */
const INVALID_ARGS = 'ERR_INVALID_ARGS';

type Methods = ReadonlyMap<string, (this: unknown, ...args: unknown[]) => unknown>;
type Incoming = Omit<CallMessage, 'params'> & { params?: unknown };

export class Calls {
  readonly #channel: Channel;
  readonly #log: PluginLog;
  readonly #running = new IdTable<Call>();
  #waiting: Incoming[] = [];
  #methods: Methods | null = null;
  /** The supervisor takes bytes beside the JSON. */
  #mayAttach = false;
  /** Methods that have given an answer which took so long to encode that others would notice. */
  readonly #large = new Set<string>();
  #receivedAt = 0;
  #continuing = false;
  #stopped = false;
  #refusal = 'the plugin is not initialized';
  #onIdle: (() => void)[] = [];

  constructor(channel: Channel, log: PluginLog) {
    this.#channel = channel;
    this.#log = log;
  }

  begin(methods: Methods, mayAttach: boolean): void {
    this.#mayAttach = mayAttach;
    if (!this.#stopped) this.#methods = methods;
  }

  /** Takes a call; it runs at the next `pump`. */
  accept(message: Incoming): void {
    this.#waiting.push(message);
  }

  /** Starts the calls that wait, as far as (2) and (3) allow. */
  pump(): void {
    if (this.#waiting.length === 0 || this.#continuing || this.#channel.isFull) return;
    const start = monotonicMs();
    this.#receivedAt = start;
    this.#channel.hold();
    const batch = this.#waiting;
    let at = 0;
    while (at < batch.length) {
      this.#dispatch(batch[at++]!);
      if (at < batch.length && (this.#channel.isFull || monotonicMs() - start > TURN_MS)) break;
    }
    this.#waiting = batch.slice(at);
    this.#channel.flush();
    if (this.#waiting.length > 0 && !this.#channel.isFull) this.#continueLater();
    this.#checkIdle();
  }

  #continueLater(): void {
    this.#continuing = true;
    native.setImmediate(() => {
      this.#continuing = false;
      this.pump();
    });
  }

  #dispatch(message: Incoming): void {
    const { id, params } = message;
    if (this.#methods === null) return this.#refuse(id, ErrorCode.internal, this.#refusal);
    const method = this.#methods.get(message.method);
    if (method === undefined) return this.#refuse(id, ErrorCode.methodNotFound, `there is no method ${JSON.stringify(message.method.slice(0, 200))}`);
    if (!Array.isArray(params)) return this.#refuse(id, ErrorCode.invalidParams, 'params must be an array');
    const name = message.method;
    const call = new Call(id, this.#log, this.#receivedAt, message.deadlineMs, message.attempt, message.traceparent);
    try {
      const result: unknown = Reflect.apply(method, call, params);
      if (!isObject(result) || typeof (result as { then?: unknown }).then !== 'function') return this.#answer(call, name, result);
      this.#running.add(call);
      Promise.resolve(result).then(
        (value) => this.#settle(call, name, value, false),
        (error: unknown) => this.#settle(call, name, error, true),
      );
    } catch (error) {
      this.#answerThrown(call, error);
    }
  }

  #settle(call: Call, method: string, outcome: unknown, threw: boolean): void {
    this.#running.delete(call.id);
    if (threw) this.#answerThrown(call, outcome);
    else this.#answer(call, method, outcome);
    if (this.#onIdle.length > 0) this.#checkIdle();
  }

  #answer(call: Call, method: string, value: unknown): void {
    call.end();
    // What was answered before leaves before this is encoded.
    if (this.#large.size > 0 && this.#large.has(method)) this.#channel.flush();
    const isLarge = this.#channel.answer(resultAnswer(call.id, value, this.#channel.maxMessageBytes, this.#mayAttach));
    if (isLarge) this.#large.add(method);
  }

  #answerThrown(call: Call, error: unknown): void {
    call.end();
    if (call.cancelled) return this.#refuse(call.id, ErrorCode.cancelled, 'the call was cancelled');
    const code = isObject(error) && read(error, 'code') === INVALID_ARGS ? ErrorCode.invalidParams : ErrorCode.threw;
    this.#channel.answer(thrownAnswer(call.id, code, error, this.#channel.maxMessageBytes));
  }

  #refuse(id: number, code: number, message: string): void {
    this.#channel.send(errorAnswer(id, code, message, this.#channel.maxMessageBytes));
  }

  /** The caller gave up. A call that has not begun is answered here; one that runs answers when it ends. */
  cancel(id: unknown): void {
    if (typeof id === 'number') this.#running.get(id)?.cancel();
    const at = this.#waiting.findIndex((message) => message.id === id);
    if (at === -1) return;
    this.#refuse(this.#waiting[at]!.id, ErrorCode.cancelled, 'the call was cancelled before it began');
    this.#waiting.splice(at, 1);
    this.#checkIdle();
  }

  cancelAll(): void {
    for (const call of this.#running.values()) call.cancel();
  }

  /** Resolves when no call runs or waits any more; those that come later are refused. */
  async drain(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle.push(resolve);
      this.#checkIdle();
    });
  }

  /** From here on every call is refused, also those that wait. */
  stop(reason: string): void {
    this.#stopped = true;
    this.#methods = null;
    this.#refusal = reason;
  }

  #checkIdle(): void {
    if (this.#onIdle.length === 0 || this.#running.size > 0 || this.#waiting.length > 0) return;
    this.stop('the plugin has been drained');
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}
