/** A frame for which there is no room is passed over, and nothing else of the stream is lost. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attachmentsMember } from '../../src/protocol/attachments.ts';
import { frame, framed } from '../../src/protocol/frame.ts';
import { FrameDecoder } from '../../src/protocol/framing.ts';
import { argsToJson } from '../../src/protocol/json.ts';

interface Seen {
  /** Ids, in the order of the stream. */
  whole: number[];
  refused: { id: unknown; bytes: number }[];
  held: number;
}

/** `hasRoom` is asked with how much is held. */
function readAll(stream: Buffer, pieceBytes: number, hasRoom: (held: number, more: number) => boolean, countedFrom = 0): Seen {
  const seen: Seen = { whole: [], refused: [], held: 0 };
  const take = (json: string | Buffer, counted: number): void => {
    seen.held -= counted;
    seen.whole.push((JSON.parse(String(json)) as { id: number }).id);
  };
  const decoder = new FrameDecoder({
    maxMessageBytes: 2 ** 24,
    room: {
      countedFrom,
      take(more) {
        if (!hasRoom(seen.held, more)) return false;
        seen.held += more;
        return true;
      },
    },
    onFrame: take,
    onLargeFrame: take,
    onAttached: (json, _, counted) => take(json, counted),
    onRefused: (bytes, text) => seen.refused.push({ id: text.outline()?.id, bytes }),
  });
  for (let at = 0; at < stream.length; at += pieceBytes) decoder.push(Buffer.from(stream.subarray(at, at + pieceBytes)));
  expect(decoder.midFrame).toBe(false);
  return seen;
}

const answer = (id: number, length: number): Buffer => Buffer.from(frame(JSON.stringify({ jsonrpc: '2.0', id, result: 'x'.repeat(length) })));

function answerWithBytes(id: number, length: number): Buffer {
  const { json, attachments } = argsToJson([new Uint8Array(length), 'y'.repeat(300)]);
  const { text, behind } = framed(`{"jsonrpc":"2.0","id":${id},"result":`, json, `${attachmentsMember(attachments)}}`, attachments);
  return Buffer.concat([Buffer.from(text), ...behind]);
}

describe('a frame for which there is no room', () => {
  test.each([1, 100, 1_000_000])('is passed over in pieces of %i bytes, with its id, and its neighbours come whole', (pieceBytes) => {
    const stream = Buffer.concat([answer(1, 100), answer(2, 5_000), answer(3, 100)]);
    const { whole, refused, held } = readAll(stream, pieceBytes, (had, more) => had + more <= 1_000);
    expect(whole).toEqual([1, 3]);
    expect(refused).toEqual([{ id: 2, bytes: 5_000 + '{"jsonrpc":"2.0","id":2,"result":""}'.length }]);
    expect(held).toBe(0);
  });

  test.each([1, 100, 1_000_000])('is passed over with the bytes behind its text, in pieces of %i bytes', (pieceBytes) => {
    const stream = Buffer.concat([answerWithBytes(1, 10), answerWithBytes(2, 5_000), answerWithBytes(3, 0), answer(4, 1)]);
    const { whole, refused, held } = readAll(stream, pieceBytes, (had, more) => had + more <= 1_000);
    expect(whole).toEqual([1, 3, 4]);
    expect(refused.map(({ id }) => id)).toEqual([2]);
    expect(held).toBe(0);
  });

  test('is none of those that are too small to be counted', () => {
    const stream = Buffer.concat([answer(1, 100), answer(2, 5_000)]);
    expect(readAll(stream, 64, () => false, 1_000)).toMatchObject({ whole: [1], refused: [{ id: 2 }], held: 0 });
  });
});

test('whenever room runs out, each frame comes whole or is told of with its id, and no room stays taken', () => {
  const each = fc.record({ hasBytes: fc.boolean(), length: fc.integer({ min: 0, max: 3_000 }) });
  fc.assert(
    fc.property(fc.array(each, { maxLength: 8 }), fc.integer({ min: 1, max: 700 }), fc.infiniteStream(fc.boolean()), (all, pieceBytes, luck) => {
      const stream = Buffer.concat(all.map(({ hasBytes, length }, id) => (hasBytes ? answerWithBytes : answer)(id, length)));
      const { whole, refused, held } = readAll(stream, pieceBytes, () => luck.next().value as boolean);
      expect([...whole, ...refused.map(({ id }) => id as number)].sort((a, b) => a - b)).toEqual(all.map((_, id) => id));
      expect(held).toBe(0);
    }),
    { numRuns: 500 },
  );
});
