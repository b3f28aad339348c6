/**
 * The sending end of a channel, as vscode-jsonrpc lets us supply it.
 *
 * 1. One write per turn of the event loop, of all that was sent in it, in order; of much, one for every `EARLY` of it, so that the child is
 *    at the first while the last are still made. Where nothing is under way there is nothing to wait for: what is sent then leaves with
 *    what else the running callback sends (Nagle's rule, RFC 896).
 * 2. While the pipe is full nothing more is handed to it: what waits here was certainly never seen by the child.
 * 3. Errors of the pipe end the writer quietly; the child's exit says why.
 */
import type { Writable } from 'node:stream';
import { AbstractMessageWriter, type Message, type MessageWriter } from 'vscode-jsonrpc/node';
import { frame } from '../protocol/frame.ts';
import { nextTick, performance, setImmediate } from '../util/timers.ts';

/** Something to send that wants to know when it left, or may be withdrawn before. */
export interface Outgoing {
  /** The frame's text; null when it was withdrawn. */
  readonly frame: string | null;
  /** What goes behind it. */
  readonly behind?: readonly Buffer[];
  /** It is handed to the pipe: from now on, on the monotonic clock, the child may have it. */
  sent(now: number): void;
  /** What goes behind it has left this process; never where the pipe broke before. */
  left?(): void;
}

const MAX_WRITE_CHARS = 1 << 20;
/** As many small calls take a multiple of what a write and the waking of a child take. */
const EARLY = 32;

export class FrameWriter extends AbstractMessageWriter implements MessageWriter {
  readonly #stream: Writable;
  #waiting: Outgoing[] = [];
  #scheduled = false;
  #full = false;
  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#write();
  };

  constructor(stream: Writable) {
    super();
    this.#stream = stream;
    stream.on('drain', () => {
      this.#full = false;
      this.#write();
    });
    stream.on('error', () => stream.destroy());
    stream.once('close', () => this.fireClose());
  }

  /** `isFirst`: nothing else is under way. */
  send(item: Outgoing, isFirst = false): void {
    this.#waiting.push(item);
    if (this.#waiting.length >= EARLY && !this.#full) return this.#write();
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (isFirst) nextTick(this.#flush);
    else setImmediate(this.#flush);
  }

  /** For the connection's own messages. */
  write(message: Message): Promise<void> {
    this.send({ frame: frame(JSON.stringify(message)), sent() {} });
    return Promise.resolve();
  }

  end(): void {
    this.#stream.end();
  }

  #write(): void {
    const { writable } = this.#stream;
    if (this.#full || !writable) return;
    let batch = '';
    let taken = 0;
    let written = 0;
    const now = performance.now();
    for (const item of this.#waiting) {
      if (batch.length + written > MAX_WRITE_CHARS) break;
      taken++;
      if (item.frame === null) continue;
      batch += item.frame;
      const { behind } = item;
      if (behind !== undefined && behind.length > 0) {
        if (written === 0) this.#stream.cork();
        written += batch.length;
        this.#text(batch);
        batch = '';
        const onLeft = (error?: Error | null): void => {
          if (!error) item.left?.();
        };
        for (const [n, bytes] of behind.entries()) {
          written += bytes.length;
          this.#full = !this.#stream.write(bytes, n === behind.length - 1 ? onLeft : undefined);
        }
      }
      item.sent(now);
    }
    if (taken === this.#waiting.length) this.#waiting = [];
    else this.#waiting.splice(0, taken);
    this.#text(batch);
    if (written > 0) {
      this.#stream.uncork();
      this.#full = this.#stream.writableNeedDrain;
    }
    if (this.#waiting.length > 0 && !this.#full && !this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
  }

  #text(text: string): void {
    // Text of one byte a character, which most of it is, is copied; other text is transcoded.
    if (text !== '') this.#full = !this.#stream.write(text, Buffer.byteLength(text) === text.length ? 'latin1' : 'utf8');
  }
}
