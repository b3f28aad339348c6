import { afterEach, describe, expect, test } from 'vitest';
import { frame } from '../../src/protocol/frame.ts';
import { FrameDecoder, FramingError, MAX_HEADER_BYTES, type FrameDecoderOptions } from '../../src/protocol/framing.ts';

const LIMIT = 1_000;

function decoder(options: Partial<FrameDecoderOptions> = {}): { decoder: FrameDecoder; frames: string[] } {
  const frames: string[] = [];
  return { decoder: new FrameDecoder({ maxMessageBytes: LIMIT, onFrame: (json) => frames.push(json), ...options }), frames };
}

/** What a decoder says of this stream, in one piece and byte by byte: it must be the same. */
function refusal(stream: string | Buffer): string {
  const bytes = Buffer.from(stream as string);
  const whole = reasonOf(() => decoder().decoder.push(bytes));
  const single = decoder().decoder;
  expect(reasonOf(() => bytes.forEach((byte) => single.push(Buffer.from([byte]))))).toBe(whole);
  return whole;
}

function reasonOf(act: () => void): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(FramingError);
    return (error as Error).message;
  }
  return 'accepted';
}

describe('a header', () => {
  // F15: each its own reason.
  test.each([
    ['Content-Length: -5', 'Content-Length is no decimal number: "-5"'],
    ['Content-Length: 0', 'Content-Length is 0'],
    ['Content-Length: 5abc', 'Content-Length is no decimal number: "5abc"'],
    ['Content-Length: 0x10', 'Content-Length is no decimal number: "0x10"'],
    ['Content-Length: 1e3', 'Content-Length is no decimal number: "1e3"'],
    ['Content-Length: 05', 'Content-Length is no decimal number: "05"'],
    ['Content-Length: +5', 'Content-Length is no decimal number: "+5"'],
    ['Content-Length: 5.0', 'Content-Length is no decimal number: "5.0"'],
    ['Content-Length: ٥', 'Content-Length is no decimal number: "Ù¥"'],
    ['Content-Length: ', 'Content-Length is no decimal number: ""'],
    ['Content-Length: 5\r\nContent-Length: 5', 'Content-Length stands twice'],
    ['Content-Type: application/json', 'Content-Length is missing'],
    [`Content-Length: ${10n ** 20n}`, 'Content-Length 100000000000000000000 is over the limit of 1000 bytes'],
    [`Content-Length: ${LIMIT + 1}`, 'Content-Length 1001 is over the limit of 1000 bytes'],
    ['Content-Length: 5\r\nX-Padding: 1', 'unknown header line "X-Padding: 1"'],
    ['Content-Length 5', 'expected a Content-Length header, found '],
    ['Content-Length : 5', 'expected a Content-Length header, found '],
  ])('%j is refused for its own reason', (header, reason) => {
    const stream = Buffer.from(`${header}\r\n\r\n{}`);
    expect(reasonOf(() => decoder().decoder.push(stream))).toContain(reason);
    const single = decoder().decoder;
    expect(reasonOf(() => stream.forEach((byte) => single.push(Buffer.from([byte]))))).toContain(reason);
  });

  test.each([['Content-Length: 2'], ['content-length:2'], ['CONTENT-LENGTH:   2  '], ['Content-Type: a/b; charset=utf-8\r\nContent-Length: 2']])(
    '%j is one',
    (header) => {
      const { decoder: whole, frames } = decoder();
      whole.push(Buffer.from(`${header}\r\n\r\n{}${header}\r\n\r\n[]`));
      expect(frames).toEqual(['{}', '[]']);
    },
  );

  test('of 4096 bytes is read, one of 4097 is refused', () => {
    const header = (length: number): string => `Content-Length: 2\r\nContent-Type: ${'x'.repeat(length - 33)}`;
    expect(header(MAX_HEADER_BYTES)).toHaveLength(MAX_HEADER_BYTES);
    expect(refusal(`${header(MAX_HEADER_BYTES)}\r\n\r\n{}`)).toBe('accepted');
    expect(refusal(`${header(MAX_HEADER_BYTES + 1)}\r\n\r\n{}`)).toContain('header is longer than 4096 bytes');
  });

  test('that never ends is refused after 4 KiB, in one piece and in many', () => {
    const endless = Buffer.from(`Content-Type: ${'x'.repeat(20_000)}`);
    expect(reasonOf(() => decoder().decoder.push(endless))).toContain('header is longer');
    const single = decoder().decoder;
    let taken = 0;
    expect(
      reasonOf(() => {
        for (; taken < endless.length; taken++) single.push(endless.subarray(taken, taken + 1));
      }),
    ).toContain('header is longer');
    expect(taken).toBeLessThanOrEqual(MAX_HEADER_BYTES + 4);
  });

  test('is refused at its first wrong line, before its end', () => {
    expect(reasonOf(() => decoder().decoder.push(Buffer.from('Content-Length: 1e3\r\n')))).toContain('no decimal number');
    const { decoder: second } = decoder();
    second.push(Buffer.from('Content-Type: text/plain\r\n'));
    second.push(Buffer.from('Content-Length: 1\r\n\r\n1'));
    expect(reasonOf(() => second.push(Buffer.from('Length: 1\r\n')))).toContain('Length: 1');
    expect(refusal('Content-Type: x\r\nLength: 1\r\n')).toBe('unknown header line "Length: 1"');
  });

  // The bulk lane makes pieces of one byte cheap to send.
  test('of many lines costs about as much as one of a single line when it comes byte by byte', () => {
    const many = Buffer.from('Content-Type:\r\n'.repeat(270));
    const single = Buffer.from('Content-Type:'.padEnd(many.length, 'x'));
    let [ofMany, ofSingle] = [Infinity, Infinity];
    // The best of some, so that neither has the compiler or the collector in it.
    for (let round = 0; round < 5; round++) {
      ofMany = Math.min(ofMany, processorTime(many));
      ofSingle = Math.min(ofSingle, processorTime(single));
    }
    expect(ofMany / ofSingle).toBeLessThan(4);
  });
});

/** Of reading this byte by byte, in microseconds. */
function processorTime(header: Buffer): number {
  const { decoder: reader } = decoder();
  const before = process.cpuUsage();
  for (let at = 0; at < header.length; at++) reader.push(header.subarray(at, at + 1));
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

describe('garbage', () => {
  test.each([1, 2, 40, 4096, 65_536, 8 * 2 ** 20])('of %d bytes is refused at its first byte', (size) => {
    const garbage = Buffer.alloc(size, 0xa7);
    expect(reasonOf(() => decoder().decoder.push(garbage))).toMatch(/^expected a Content-Length header, found "§/);
  });

  test('after a frame leaves the frame delivered', () => {
    const { decoder: broken, frames } = decoder();
    expect(reasonOf(() => broken.push(Buffer.from(`${frame('{"a":1}')}\n`)))).toContain('expected a Content-Length header');
    expect(frames).toEqual(['{"a":1}']);
  });
});

describe('between two frames', () => {
  test('only where a frame has begun is one under way', () => {
    const { decoder: reader } = decoder();
    const states = [...Buffer.from(frame('{}'))].map((byte) => {
      reader.push(Buffer.from([byte]));
      return reader.midFrame;
    });
    expect(states.pop()).toBe(false);
    expect(states).not.toContain(false);
  });

  test('a byte order mark, and bytes that are no UTF-8, reach the parser as text', () => {
    const { decoder: reader, frames } = decoder();
    const body = Buffer.from([0xef, 0xbb, 0xbf, 0x22, 0xff, 0xed, 0xa0, 0x80, 0x22]);
    reader.push(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]));
    expect(frames[0]).toBe('\uFEFF"\uFFFD\uFFFD\uFFFD\uFFFD"');
  });
});

describe('memory and work', () => {
  const { concat } = Buffer;
  const copy = Buffer.prototype.copy as (this: Buffer, ...args: unknown[]) => number;
  afterEach(() => {
    Buffer.concat = concat;
    Buffer.prototype.copy = copy;
  });

  /** Bytes that were copied while `act` ran: work that a clock on a busy machine cannot measure. */
  function bytesCopied(act: () => void): number {
    let copied = 0;
    Buffer.concat = (list, length) => {
      const joined = concat(list, length);
      copied += joined.length;
      return joined;
    };
    Buffer.prototype.copy = function (this: Buffer, ...args: unknown[]) {
      const count = copy.call(this, ...args);
      copied += count;
      return count;
    };
    act();
    return copied;
  }

  test('a length is checked before anything is made for it, and only what has come takes memory', () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(reasonOf(() => decoder().decoder.push(Buffer.from(`Content-Length: ${2 ** 40}\r\n\r\nx`)))).toContain('over the limit');
    const { decoder: patient } = decoder({ maxMessageBytes: 2 ** 30 });
    patient.push(Buffer.from(`Content-Length: ${2 ** 30}\r\n\r\nx`));
    expect(patient.midFrame).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  test.each([1, 7, 64, 4096])('8 MiB in pieces of %d bytes are copied a few times at most', (size) => {
    const body = Buffer.alloc(8 * 2 ** 20, 'x');
    const { decoder: reader, frames } = decoder({ maxMessageBytes: body.length });
    const copied = bytesCopied(() => {
      reader.push(Buffer.from(`Content-Length: ${body.length}\r\n\r\n`));
      for (let at = 0; at < body.length; at += size) reader.push(body.subarray(at, at + size));
    });
    expect(frames[0]).toHaveLength(body.length);
    expect(copied).toBeLessThan(4 * body.length);
  });

  test('a whole frame in one read is not copied at all', () => {
    const { decoder: reader, frames } = decoder({ maxMessageBytes: 2 ** 20 });
    const stream = Buffer.from(frame('"x"').repeat(10_000));
    expect(bytesCopied(() => reader.push(stream))).toBe(0);
    expect(frames).toHaveLength(10_000);
  });

  test('many small frames, cut at every place, cost a header of copying each', () => {
    const text = frame('{"id":1}');
    const stream = Buffer.from(text.repeat(2_000));
    const { decoder: reader, frames } = decoder();
    const copied = bytesCopied(() => stream.forEach((_, at) => reader.push(stream.subarray(at, at + 1))));
    expect(frames).toHaveLength(2_000);
    expect(copied).toBeLessThan(stream.length * text.length);
  });
});
