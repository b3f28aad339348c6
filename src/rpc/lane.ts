/**
 * The bulk lane's receiving end: parts in, messages out, beside those of the main stream. Owns its frames, its bounds and its patience.
 *
 * 1. What was sent and not yet delivered is bounded: the child has room for so much, and is granted what was delivered.
 * 2. A frame that has begun must make progress, unless an earlier one is still being parsed, so that the child may have no room, or nothing
 *    is being read.
 */
import { FrameDecoder, FramingError } from '../protocol/framing.ts';
import { laneWindow, MIN_GRANT_BYTES } from '../protocol/lane.ts';
import { Sequence, type SequenceEvents, type SequenceOptions } from './sequence.ts';
import { Stall } from './stall.ts';

export interface LaneOptions extends SequenceEvents, SequenceOptions {
  maxMessageBytes: number;
  stallTimeoutMs: number;
  /** False while nothing is. */
  isBeingRead(): boolean;
  /** The child may send so much more. */
  onGrant(bytes: number): void;
  onStall(): void;
}

export class IncomingLane {
  readonly #options: LaneOptions;
  readonly #sequence: Sequence;
  readonly #decoder: FrameDecoder;
  readonly #stall: Stall;
  readonly #window: number;
  /** What has come, and what of it was granted anew, from the first part on. */
  #received = 0;
  #granted = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#window = laneWindow(options.maxMessageBytes);
    this.#stall = new Stall(options.stallTimeoutMs, () => options.onStall());
    this.#sequence = new Sequence({ ...options, onParsed: () => this.#parsed() }, options);
    const { intake } = options;
    const take = (json: string | Buffer, blob: Buffer | null, counted: number): void =>
      this.#sequence.take({ kind: 'whole', json, blob, at: this.#received, counted });
    this.#decoder = new FrameDecoder({
      maxMessageBytes: options.maxMessageBytes,
      // Small ones too: as many as the window holds may wait behind a large one.
      room: { countedFrom: 0, take: (bytes) => intake.take(bytes) },
      onFrame: (json, counted) => take(json, null, counted),
      onLargeFrame: (body, counted) => take(body, null, counted),
      onAttached: take,
      onRefused: (bytes, text) => this.#sequence.take({ kind: 'passed', text, bytes, at: this.#received }),
    });
  }

  get isParsing(): boolean {
    return this.#sequence.isParsing;
  }

  /** Throws `FramingError`. */
  push(bytes: Buffer): void {
    this.#received += bytes.length;
    if (this.#received - this.#granted > this.#window) throw new FramingError('more was sent into the lane than there was room for');
    this.#decoder.push(bytes);
    this.#settle();
  }

  /** To be called when the answer of `isBeingRead` has changed. Keeps 2. */
  watch(): void {
    this.#stall.went(this.#options.isBeingRead() && !this.#sequence.isParsing && this.#decoder.midFrame);
  }

  drop(): void {
    this.#sequence.drop();
    this.#stall.stop();
  }

  #parsed(): void {
    this.#settle();
    this.#options.onParsed();
  }

  #settle(): void {
    const delivered = this.#sequence.deliveredAt - this.#granted;
    if (delivered >= MIN_GRANT_BYTES) {
      this.#granted += delivered;
      this.#options.onGrant(delivered);
    }
    this.watch();
  }
}
