/** The header of a frame: what it may say, and each way in which it can be wrong. Knows nothing of what follows it. */
import { PART_OF_LANE } from './lane.ts';

export const MAX_HEADER_BYTES = 4096;

/** Behind the JSON of such a frame stand bytes that belong to it. */
export const WITH_ATTACHMENTS = 'application/vnd.chameleon.attachments';

const HEADER_NAMES = ['content-length', 'content-type'];
const HEADER_STARTS = HEADER_NAMES.map((name) => ({ lower: Buffer.from(`${name}:`), upper: Buffer.from(`${name}:`.toUpperCase()) }));

const CR = 13;
const LF = 10;

export class FramingError extends Error {}

interface Header {
  length: number;
  /** The length of the JSON, where bytes follow it. */
  text: number | null;
  isPart: boolean;
}

/** Whether what is there of it is how a header begins. Makes no string: of a flood of short lines each is asked. */
export function looksLikeHeader(bytes: Buffer, at: number): boolean {
  for (const { lower, upper } of HEADER_STARTS) {
    const end = Math.min(lower.length, bytes.length - at);
    let i = 0;
    while (i < end && (bytes[at + i] === lower[i] || bytes[at + i] === upper[i])) i++;
    if (i === end) return true;
  }
  return false;
}

/** Throws for line ends that nearly are those of a header: one that waits for CR LF waits for ever. */
export function checkLineEnds(header: string): void {
  const wrong = /\r(?!\n|$)|(?<!\r)\n/.exec(header);
  if (wrong !== null)
    throw new FramingError(`a header line ends in ${wrong[0] === '\n' ? 'LF' : 'CR'} alone: end each line in CR LF, and the header in an empty line`);
  if (/\r\n[{[]/.test(header)) throw new FramingError('the empty line (CR LF) between header and JSON is missing');
}

/**
 * For a stray line that ends at `end`: false if it takes the bytes behind it to tell. Throws if a header stands on the line
 * too: text was printed to the stream of the frames, and no newline after it.
 */
export function isTextAlone(bytes: Buffer, at: number, end: number): boolean {
  if (bytes[end - 1] !== CR) return true;
  const found = /(?<=[^])Content-Length: *\d+\r$/i.exec(bytes.toString('utf8', at, end));
  if (found === null) return true;
  // The empty line behind it tells a header from a line that ends as one does.
  if (bytes.length < end + 3) return false;
  if (bytes[end + 1] !== CR || bytes[end + 2] !== LF) return true;
  const text = JSON.stringify(found.input.slice(0, found.index).slice(-60));
  throw new FramingError(`text stands on the line of a header: ${text}; end what is printed to stdout in a newline, or write it to stderr`);
}

/** Throws for each way in which a header can be wrong, with its own reason. */
export function parseHeader(header: string, complete = true): Header {
  let length: number | null = null;
  let text: number | null = null;
  let isPart = false;
  for (const line of header.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    if (!HEADER_NAMES.includes(name)) throw new FramingError(`unknown header line ${JSON.stringify(line.slice(0, 60))}`);
    const given = line.slice(colon + 1).trim();
    if (name === 'content-length') {
      const value = decimal('Content-Length', given);
      if (length !== null) throw new FramingError('Content-Length stands twice');
      length = value;
    } else if (given === PART_OF_LANE) {
      if (text !== null || isPart) throw new FramingError('Content-Type stands twice');
      isPart = true;
    } else if (given.startsWith(WITH_ATTACHMENTS)) {
      if (text !== null || isPart) throw new FramingError('Content-Type stands twice');
      const parameters = given.slice(WITH_ATTACHMENTS.length).trim();
      if (!parameters.startsWith('; text=')) throw new FramingError('Content-Type does not say how long the text is');
      text = decimal('text', parameters.slice('; text='.length));
    }
  }
  if (length === null && complete) throw new FramingError('Content-Length is missing');
  return { length: length ?? 0, text, isPart };
}

function decimal(name: string, value: string): number {
  if (!/^(?:0|[1-9][0-9]*)$/.test(value)) throw new FramingError(`${name} is no decimal number: ${JSON.stringify(value.slice(0, 60))}`);
  return Number(value);
}
