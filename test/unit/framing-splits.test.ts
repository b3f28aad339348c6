/** F17: however a stream is cut, the same frames come out, in order. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frame } from '../../src/protocol/frame.ts';
import { FrameDecoder } from '../../src/protocol/framing.ts';
import { expectBrief } from '../helpers/held.ts';

const CASES = 100_000;

const SAMPLES = [
  '{}',
  '"é"',
  '{"text":"größer 世界 👋🏽"}',
  '[1,2,3]',
  `"${'x'.repeat(300)}"`,
  '{"method":"Content-Length: 5\\r\\n\\r\\n"}',
  '""',
  '0',
];
const HEADERS: ((length: number) => string)[] = [
  (length) => `Content-Length: ${length}\r\n\r\n`,
  (length) => `content-length:${length}\r\n\r\n`,
  (length) => `Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: ${length}\r\n\r\n`,
];

function framesOf(chunks: Iterable<Buffer>): string[] {
  const frames: string[] = [];
  const decoder = new FrameDecoder({ maxMessageBytes: 100_000, onFrame: (json) => frames.push(json) });
  for (const chunk of chunks) decoder.push(chunk);
  if (decoder.midFrame) frames.push('and a part of one');
  return frames;
}

function* cutAt(bytes: Buffer, places: readonly number[]): Generator<Buffer> {
  let from = 0;
  for (const place of [...places, bytes.length]) {
    // A copy that is overwritten afterwards: who keeps a part of a chunk that it was lent shows here.
    const chunk = Buffer.from(bytes.subarray(from, place));
    yield chunk;
    chunk.fill(0xff);
    from = place;
  }
}

describe('the same frames come out, in order,', () => {
  test('of one write, and of one write for each byte', () => {
    const bytes = Buffer.from(SAMPLES.map(frame).join(''));
    expect(framesOf([bytes])).toEqual(SAMPLES);
    expect(framesOf(cutAt(bytes, [...bytes.keys()]))).toEqual(SAMPLES);
  });

  test('of every cut in two, and every cut in three, through headers and characters', () => {
    const texts = ['"é"', '"👋"'];
    const bytes = Buffer.from(texts.map(frame).join(''));
    let cases = 0;
    for (let a = 0; a <= bytes.length; a++) {
      for (let b = a; b <= bytes.length; b++, cases++) expect(framesOf(cutAt(bytes, [a, b]))).toEqual(texts);
    }
    expect(cases).toBe(((bytes.length + 1) * (bytes.length + 2)) / 2);
  });

  test(`of ${CASES} random streams, cut at random places`, () => {
    const streams = fc.array(fc.tuple(fc.constantFrom(...SAMPLES), fc.constantFrom(...HEADERS)), { minLength: 1, maxLength: 4 });
    const cuts = fc.array(fc.nat({ max: 10_000 }), { maxLength: 8 });
    // A failure prints its seed and its smallest case.
    fc.assert(
      fc.property(streams, cuts, (items, places) => {
        const bytes = Buffer.from(items.map(([json, header]) => header(Buffer.byteLength(json)) + json).join(''));
        const inside = places.map((place) => place % bytes.length).sort((a, b) => a - b);
        const frames = expectBrief(
          () => JSON.stringify({ items, inside }),
          () => framesOf(cutAt(bytes, inside)),
        );
        return frames.length === items.length && frames.every((json, i) => json === items[i]![0]);
      }),
      { numRuns: CASES },
    );
  });

  test('of any text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', minLength: 1 }), { maxLength: 3 }), fc.nat(), (texts, seed) => {
        const bytes = Buffer.from(texts.map(frame).join(''));
        // Lone surrogates cannot be written in UTF-8: they arrive as the replacement character.
        expect(framesOf(cutAt(bytes, bytes.length === 0 ? [] : [seed % bytes.length]))).toEqual(texts.map((text) => Buffer.from(text).toString()));
      }),
      { numRuns: 2_000 },
    );
  });
});

test('a random stream of bytes is refused or read, at once, and what is thrown is named', () => {
  const pieces = fc.oneof(
    fc.constantFrom('Content-Length: ', '5', '\r\n', '\r\n\r\n', '{}', '-', 'Content-Type: ', 'C', '\n'),
    fc.string({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const bytes = Buffer.from(parts.join(''));
      const outcomes = [() => [bytes], () => cutAt(bytes, [...bytes.keys()])].map((chunks) => {
        try {
          return expectBrief(
            () => JSON.stringify(parts),
            () => framesOf(chunks()),
          ).join();
        } catch (error) {
          expect((error as Error).constructor.name).toBe('FramingError');
          return 'refused';
        }
      });
      expect(outcomes[1]).toBe(outcomes[0]);
    }),
    { numRuns: 20_000 },
  );
});

test('of four megabytes in whatever pieces, no read holds the event loop', () => {
  const size = 4 * 2 ** 20;
  const streams = {
    'one frame': Buffer.concat([Buffer.from(`Content-Length: ${size}\r\n\r\n`), Buffer.alloc(size, 'x')]),
    'small frames': Buffer.from(frame('{}').repeat(size / 24)),
    'empty stray lines': Buffer.alloc(size, '\n'),
    'one stray line': Buffer.alloc(size, 'x'),
    'what begins like a header, again and again': Buffer.from('Content-Length\n'.repeat(size / 16)),
    'an endless header': Buffer.from(`Content-Type: ${'x'.repeat(size)}`),
    'no UTF-8': Buffer.alloc(size, 0xff),
  };
  for (const [what, bytes] of Object.entries(streams)) {
    // As a pipe hands them over, and in the worst pieces that it could.
    for (const [pieceBytes, most] of [
      [65_536, size],
      [1_021, size],
      [1, 2 ** 16],
    ] as const) {
      const decoder = new FrameDecoder({ maxMessageBytes: size, onFrame() {}, onLargeFrame() {}, onStrayLine() {} });
      for (let at = 0; at < most; at += pieceBytes) {
        try {
          expectBrief(
            () => `${what}, ${pieceBytes} bytes at ${at}`,
            () => decoder.push(bytes.subarray(at, at + pieceBytes)),
          );
        } catch (error) {
          if ((error as Error).constructor.name !== 'FramingError') throw error;
          break;
        }
      }
    }
  }
});
