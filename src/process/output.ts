/**
 * A child's stdout and stderr as lines. Owns the cutting; what a line means is its reader's business.
 *
 * 1. A line split over two reads is one line; a character split over two reads is one character.
 * 2. No line is longer than `MAX_LINE`: the rest of it comes as lines of its own.
 */
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

const MAX_LINE = 65_536;

/** Calls `onLine` for each line until the stream ends or is destroyed; errors of the pipe are its end. */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let partial = '';
  const emit = (line: string): void => {
    let rest = line.endsWith('\r') ? line.slice(0, -1) : line;
    for (; rest.length > MAX_LINE; rest = rest.slice(MAX_LINE)) onLine(rest.slice(0, MAX_LINE));
    onLine(rest);
  };
  const cut = (text: string): void => {
    let from = 0;
    for (let newline = text.indexOf('\n'); newline !== -1; newline = text.indexOf('\n', from)) {
      emit(partial + text.slice(from, newline));
      partial = '';
      from = newline + 1;
    }
    partial += text.slice(from);
    for (; partial.length > MAX_LINE; partial = partial.slice(MAX_LINE)) onLine(partial.slice(0, MAX_LINE));
  };
  stream.on('data', (chunk: Buffer) => cut(decoder.write(chunk)));
  stream.on('error', () => stream.destroy());
  stream.once('close', () => {
    cut(decoder.end());
    if (partial !== '') emit(partial);
    partial = '';
  });
}

/** The last lines of a stream, for crash reports: at most 40 lines and 8 KiB. */
export class Tail {
  static readonly #maxLines = 40;
  static readonly #maxChars = 8192;
  readonly #lines: string[] = [];
  #chars = 0;

  push(line: string): void {
    const kept = line.slice(-Tail.#maxChars);
    this.#lines.push(kept);
    this.#chars += kept.length + 1;
    while (this.#lines.length > Tail.#maxLines || this.#chars > Tail.#maxChars + 1) this.#chars -= this.#lines.shift()!.length + 1;
  }

  toString(): string {
    return this.#lines.join('\n');
  }
}
