/** The bulk lane: however frames are mixed and cut, each of both streams comes out whole and in order, and no more is sent than there is room for. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frame } from '../../src/protocol/frame.ts';
import { FrameDecoder } from '../../src/protocol/framing.ts';
import { laneWindow, MAX_PART_BYTES, OutgoingLane, PART_OF_LANE } from '../../src/protocol/lane.ts';
import { expectBrief } from '../helpers/held.ts';

const MAX_MESSAGE_BYTES = 2 ** 18;

/** What comes out of both streams, and the bytes of the lane. */
function decoderPair(): { decoder: FrameDecoder; main: string[]; lane: string[]; isWhole: () => boolean } {
  const main: string[] = [];
  const lane: string[] = [];
  const inner = new FrameDecoder({ maxMessageBytes: MAX_MESSAGE_BYTES, onFrame: (json) => lane.push(json) });
  const onPart = (bytes: Buffer): void => inner.push(bytes);
  const decoder = new FrameDecoder({ maxMessageBytes: MAX_MESSAGE_BYTES, onFrame: (json) => main.push(json), onPart });
  return { decoder, main, lane, isWhole: () => !decoder.midFrame && !inner.midFrame };
}

const part = (text: string): string => `Content-Length: ${text.length}\r\nContent-Type: ${PART_OF_LANE}\r\n\r\n${text}`;

describe('of large and small frames that go side by side', () => {
  test('each of both comes out, in its order, however the stream is mixed and cut', () => {
    const sizes = fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: MAX_PART_BYTES - 60, max: MAX_PART_BYTES + 60 }), fc.nat({ max: 200_000 }));
    const step = fc.oneof(
      fc.record({ large: sizes }),
      fc.record({ small: fc.string({ unit: 'binary', maxLength: 20 }) }),
      fc.record({ parts: fc.nat(4) }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.array(fc.nat(), { maxLength: 12 }), (steps, cuts) => {
        const lane = new OutgoingLane(Infinity);
        const stream: Buffer[] = [];
        const sent = { main: [] as string[], lane: [] as string[] };
        const take = (most: number): void => {
          for (let i = 0; i < most; i++) stream.push(...(lane.next() ?? []));
        };
        for (const each of steps) {
          if ('large' in each) {
            const json = JSON.stringify(`${sent.lane.length} 世界 ${'x'.repeat(each.large)}`);
            sent.lane.push(json);
            // In pieces, one of them empty, as text and attachments are.
            const bytes = Buffer.from(frame(json));
            lane.add([bytes.subarray(0, 7), bytes.subarray(7, 7), bytes.subarray(7)]);
          } else if ('small' in each) {
            const json = JSON.stringify(each.small);
            sent.main.push(json);
            stream.push(Buffer.from(frame(json)));
          } else take(each.parts);
        }
        take(Math.ceil(lane.bytes / MAX_PART_BYTES));
        const bytes = Buffer.concat(stream);
        const { decoder, main, lane: large, isWhole } = decoderPair();
        const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
        let from = 0;
        for (const place of [...places, bytes.length]) {
          // A copy that is overwritten afterwards: who keeps a part of a chunk that it was lent shows here.
          const chunk = Buffer.from(bytes.subarray(from, place));
          decoder.push(chunk);
          chunk.fill(0xff);
          from = place;
        }
        expect({ main, lane: large }).toEqual(sent);
        expect([lane.bytes, lane.hasNext, isWhole()]).toEqual([0, false, true]);
      }),
      { numRuns: 300 },
    );
  });

  test('each comes out of one byte after the other', () => {
    const text = frame('"large"');
    const bytes = Buffer.from(frame('1') + part(text.slice(0, 5)) + frame('2') + part(text.slice(5)) + frame('3'));
    const { decoder, main, lane } = decoderPair();
    for (const byte of bytes) decoder.push(Buffer.from([byte]));
    expect({ main, lane }).toEqual({ main: ['1', '2', '3'], lane: ['"large"'] });
  });
});

describe('a sender', () => {
  test('sends no more than there is room for, and goes on with what is granted', () => {
    const window = laneWindow(MAX_MESSAGE_BYTES);
    const lane = new OutgoingLane(window);
    const sizes = (): number[] => {
      const found: number[] = [];
      for (let next = lane.next(); next !== null; next = lane.next()) found.push(next.slice(1).reduce((sum, { length }) => sum + length, 0));
      return found;
    };
    lane.add([Buffer.alloc(2 * window)]);
    const first = sizes();
    expect(Math.max(...first)).toBe(MAX_PART_BYTES);
    expect(first.reduce((a, b) => a + b)).toBe(window);
    expect([lane.bytes, lane.hasNext, sizes()]).toEqual([window, false, []]);
    lane.grant(100_000);
    expect([lane.hasNext, sizes(), lane.bytes]).toEqual([true, [MAX_PART_BYTES, 100_000 - MAX_PART_BYTES], window - 100_000]);
  });

  test('takes no longer for a part where many answers of thousands of attachments wait', () => {
    const lane = new OutgoingLane(Infinity);
    const attachments = Array.from({ length: 16_384 }, () => Buffer.alloc(16));
    for (let answers = 0; answers < 16; answers++) lane.add(attachments);
    while (lane.hasNext)
      expectBrief(
        () => 'one part',
        () => lane.next(),
      );
  });

  test('copies nothing', () => {
    const lane = new OutgoingLane(Infinity);
    const bytes = Buffer.alloc(100_000);
    lane.add([bytes]);
    expect(lane.next()![1]!.buffer).toBe(bytes.buffer);
  });
});

describe('a reader refuses', () => {
  test.each<[string, string, string]>([
    [
      'a part that is too large',
      `Content-Length: 65537\r\nContent-Type: ${PART_OF_LANE}\r\n\r\n`,
      'a part of the lane has 65537 bytes, the limit is 65536',
    ],
    ['a part of nothing', part(''), 'a part of the lane is empty'],
    ['a part without a length', `Content-Type: ${PART_OF_LANE}\r\n\r\n`, 'Content-Length is missing'],
    [
      'a part that has attachments',
      part('x').replace('\r\n\r\n', '\r\nContent-Type: application/vnd.chameleon.attachments; text=1\r\n\r\n'),
      'stands twice',
    ],
    ['a part of a part', part(part(frame('1'))), 'a part of a lane, which was not agreed on'],
    ['a line in it that is no header', part('hello\n'), 'expected a Content-Length header, found "hello'],
    ['a wrong header in it', part('Content-Length: 007\r\n\r\n'), 'no decimal number'],
    ['a wrong header in it, in two parts', part('Content-Len') + frame('1') + part('gth: x\r\n\r\n'), 'no decimal number'],
    ['a frame in it that is too large', part(`Content-Length: ${MAX_MESSAGE_BYTES + 1}\r\n\r\n`), 'is over the limit of 262144 bytes'],
  ])('%s', (_, bytes, reason) => {
    const { decoder } = decoderPair();
    expect(() => decoder.push(Buffer.from(bytes))).toThrow(reason);
  });

  test('any part where none was agreed on', () => {
    const decoder = new FrameDecoder({ maxMessageBytes: 100, onFrame() {} });
    expect(() => decoder.push(Buffer.from(part('x')))).toThrow('a part of a lane, which was not agreed on');
  });
});
