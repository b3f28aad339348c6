/**
 * A child's stdout and stderr as lines. Owns the cutting; what a line means is its reader's business.
 *
 * 1. A line split over two reads is one line; a character split over two reads is one character.
 * 2. No line is longer than `MAX_LINE`: the rest of it comes as lines of its own.
 */
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { Redactor, redactLines } from './redact.ts';

const MAX_LINE = 65_536;
/** Characters at the end of a long line in which a cut between two words is looked for: nobody recognises half a secret. */
const CUT_WITHIN = 4_096;
const PLACE_TO_CUT = /[,;}\]\s]/;

/** Calls `onLine` for each line until the stream ends or is destroyed; errors of the pipe are its end. */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let partial = '';
  /** Returns the rest, which is short enough for a line. */
  const emitPieces = (text: string): string => {
    let rest = text;
    while (rest.length > MAX_LINE) {
      const end = pieceEnd(rest);
      onLine(rest.slice(0, end));
      rest = rest.slice(end);
    }
    return rest;
  };
  const emit = (line: string): void => {
    onLine(emitPieces(line.endsWith('\r') ? line.slice(0, -1) : line));
  };
  const cut = (text: string): void => {
    let from = 0;
    for (let newline = text.indexOf('\n'); newline !== -1; newline = text.indexOf('\n', from)) {
      emit(partial + text.slice(from, newline));
      partial = '';
      from = newline + 1;
    }
    partial = emitPieces(partial + text.slice(from));
  };
  stream.on('data', (chunk: Buffer) => cut(decoder.write(chunk)));
  stream.on('error', () => stream.destroy());
  stream.once('close', () => {
    cut(decoder.end());
    if (partial !== '') emit(partial);
    partial = '';
  });
}

function pieceEnd(text: string): number {
  for (let end = MAX_LINE; end > MAX_LINE - CUT_WITHIN; end--) {
    const [before, last] = [text[end - 2]!, text[end - 1]!];
    // A name stays with its value.
    if (PLACE_TO_CUT.test(last) && !/[:=\s]/.test(before)) return end;
  }
  return MAX_LINE;
}

/** The last lines of a stream, for crash reports: at most 40 lines and 8 KiB, without secrets. */
export class Tail {
  static readonly #maxLines = 40;
  static readonly #maxChars = 8192;
  readonly #lines: string[] = [];
  /** Knows whether a private key began in the lines that are kept no longer. */
  readonly #gone = new Redactor();
  #chars = 0;

  push(line: string): void {
    this.#lines.push(line);
    this.#chars += line.length + 1;
    while (this.#lines.length > Tail.#maxLines || (this.#chars > Tail.#maxChars + 1 && this.#lines.length > 1)) this.#drop();
  }

  /** Secrets are struck out before a long line is cut: half of one would not be recognised. */
  toString(): string {
    return redactLines(this.#lines, this.#gone.isInKey).slice(-Tail.#maxChars);
  }

  #drop(): void {
    const line = this.#lines.shift()!;
    this.#gone.pass(line);
    this.#chars -= line.length + 1;
  }
}
