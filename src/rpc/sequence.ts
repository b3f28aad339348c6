/**
 * Frames in, messages out, in the same order. Owns the parsing; knows nothing of streams.
 *
 * 1. However large and dense a frame is, it never holds up the event loop: it is parsed in slices, and what comes meanwhile waits behind it.
 *    Of that there may be as much as the lane has room for, so it is taken in slices, too.
 * 2. After a fault, or `drop`, nothing is delivered.
 * 3. What a frame holds of the intake is given back when it is delivered; after a fault, or `drop`, whoever owns the intake closes it.
 */
import { attach } from '../protocol/attachments.ts';
import { noRoom, tooManyValues } from '../protocol/outline.ts';
import { inSlices, parseInSlices, type Parsed } from '../protocol/slices.ts';
import type { TextEnds } from '../protocol/text-ends.ts';
import type { Intake } from './intake.ts';
import { release } from './release.ts';
import { performance } from '../util/timers.ts';

export interface SequenceEvents {
  /** `bytes`: those of its text. */
  onMessage(message: object, bytes: number): void;
  /** Once: a frame is no message. */
  onFault(reason: string): void;
  /** A large frame was delivered, or some of what waited behind one. */
  onParsed(): void;
}

/** A frame that is large, or not just text. */
export interface Frame {
  readonly kind: 'whole';
  readonly json: string | Buffer;
  readonly blob: Buffer | null;
  /** How far its stream had been read when it was whole. */
  readonly at: number;
  /** How much of the intake it holds, in bytes. */
  readonly counted: number;
}

/** A frame of which only the ends were kept. */
export interface PassedFrame {
  readonly kind: 'passed';
  readonly text: TextEnds;
  readonly bytes: number;
  readonly at: number;
}

type AnyFrame = string | Frame | PassedFrame;

export interface SequenceOptions {
  maxMessageValues: number;
  intake: Intake;
}

export class Sequence {
  readonly #events: SequenceEvents;
  /** Ends the parsing that is under way, or the taking of what waited behind it; null when neither is. */
  #giveUp: (() => void) | null = null;
  #behind: AnyFrame[] = [];
  #isOver = false;
  #deliveredAt = 0;
  readonly #maxValues: number;
  readonly #intake: Intake;

  constructor(events: SequenceEvents, { maxMessageValues, intake }: SequenceOptions) {
    this.#events = events;
    this.#maxValues = maxMessageValues;
    this.#intake = intake;
  }

  get isParsing(): boolean {
    return this.#giveUp !== null;
  }

  /** `at` of the last frame that was delivered. */
  get deliveredAt(): number {
    return this.#deliveredAt;
  }

  take(frame: AnyFrame): void {
    if (this.#isOver) return;
    if (this.#giveUp !== null) this.#behind.push(frame);
    else this.#begin(frame);
  }

  #begin(frame: AnyFrame): void {
    if (typeof frame === 'string') return this.#read(frame, null);
    if (frame.kind === 'passed') return this.#pass(frame);
    const { json, blob, at, counted } = frame;
    if (typeof json === 'string') {
      this.#deliveredAt = at;
      this.#intake.give(counted);
      return this.#read(json, blob);
    }
    this.#giveUp = parseInSlices(json, this.#maxValues, (parsed) => {
      const { length } = json;
      release(json);
      this.#intake.give(counted);
      this.#parsed(parsed, length, blob, at);
    });
  }

  #pass({ text, bytes, at }: PassedFrame): void {
    this.#deliveredAt = at;
    const outline = text.outline();
    if (outline !== null) this.#events.onMessage(noRoom(outline, bytes, this.#intake.limit), bytes);
    else this.#fault(`a frame of ${bytes} bytes, for which there was no room, has its id neither at the beginning nor at the end`);
  }

  /** What waits or is being parsed is given up. */
  drop(): void {
    this.#isOver = true;
    this.#giveUp?.();
    this.#giveUp = null;
    this.#behind = [];
  }

  #read(json: string, blob: Buffer | null): void {
    let message: unknown;
    try {
      message = JSON.parse(json);
    } catch (error) {
      this.#fault(noJson((error as Error).message));
      return;
    }
    this.#deliver(message, json.length, blob);
  }

  #parsed(parsed: Parsed, bytes: number, blob: Buffer | null, at: number): void {
    this.#giveUp = null;
    this.#deliveredAt = at;
    if (parsed.kind === 'value') this.#deliver(parsed.value, bytes, blob);
    else if (parsed.kind === 'too-many') this.#events.onMessage(tooManyValues(parsed.outline, parsed.values, bytes, this.#maxValues), bytes);
    else this.#fault(noJson(parsed.reason));
    if (this.#behind.length > 0) this.#giveUp = inSlices((until) => this.#goOn(until));
    if (!this.#isOver) this.#events.onParsed();
  }

  /** Takes of what waits, up to the next large frame. Keeps 1. */
  #goOn(until: number): boolean {
    const giveUp = this.#giveUp;
    const behind = this.#behind;
    let taken = 0;
    this.#giveUp = null;
    do this.#begin(behind[taken++]!);
    while (taken < behind.length && !this.isParsing && !this.#isOver && performance.now() < until);
    behind.splice(0, taken);
    const isDone = behind.length === 0 || this.isParsing || this.#isOver;
    if (!isDone) this.#giveUp = giveUp;
    if (!this.#isOver) this.#events.onParsed();
    return isDone;
  }

  #deliver(message: unknown, bytes: number, blob: Buffer | null): void {
    const fault = blob === null ? null : attach(message, blob, 'result');
    if (fault !== null) this.#fault(fault);
    else if (typeof message !== 'object' || message === null || Array.isArray(message)) this.#fault('a frame is not a JSON-RPC message');
    else this.#events.onMessage(message, bytes);
  }

  #fault(reason: string): void {
    this.drop();
    this.#events.onFault(reason);
  }
}

function noJson(reason: string): string {
  return `a frame is not JSON (${reason.slice(0, 200)})`;
}
