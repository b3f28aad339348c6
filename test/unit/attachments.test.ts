/** Bytes beside JSON: what goes in comes out as what it was, nothing else is taken for bytes, and no message is believed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  attach,
  attachmentsMember,
  inline,
  MAX_ATTACHMENT_STEPS,
  MAX_ATTACHMENTS,
  payloadBytes,
  type Attachment,
} from '../../src/protocol/attachments.ts';
import { framed } from '../../src/protocol/frame.ts';
import { FrameDecoder, FramingError } from '../../src/protocol/framing.ts';
import { argsToJson, toJson, type Payload } from '../../src/protocol/json.ts';
import { FIRST_CALL_ID } from '../../src/protocol/messages.ts';
import { expectBrief } from '../helpers/held.ts';

/** The frame of a call, as bytes. */
function written({ json, attachments }: Payload, id = FIRST_CALL_ID): Buffer {
  const { text, behind } = framed(`{"jsonrpc":"2.0","id":${id},"params":`, json, `${attachmentsMember(attachments)}}`, attachments);
  return Buffer.concat([Buffer.from(text), ...behind]);
}

interface Read {
  params: unknown;
}

/** What comes out at the other end, in pieces of this many bytes. Throws what the decoder throws, and what is wrong with attachments. */
function readAll(stream: Buffer, pieceBytes = stream.length): Read[] {
  const read: Read[] = [];
  const decoder = new FrameDecoder({
    maxMessageBytes: 2 ** 24,
    onFrame: (json) => read.push(JSON.parse(json) as Read),
    onAttached: (json, blob) => {
      const message = JSON.parse(String(json)) as Read;
      const fault = attach(message, blob, 'params');
      if (fault !== null) throw new FramingError(fault);
      read.push(message);
    },
  });
  for (let at = 0; at < stream.length; at += pieceBytes) {
    const piece = Buffer.from(stream.subarray(at, at + pieceBytes));
    decoder.push(piece);
    // Who keeps a part of what it was lent shows here.
    piece.fill(0xff);
  }
  expect(decoder.midFrame).toBe(false);
  return read;
}

const roundTrip = (args: unknown[], pieceBytes?: number): unknown => readAll(written(argsToJson(args)), pieceBytes)[0]!.params;
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

describe('bytes arrive as what they were', () => {
  test.each<[string, unknown[]]>([
    ['an argument', [bytes(1, 2, 3)]],
    ['a Buffer', [Buffer.from('größer 世界')]],
    ['none at all', [bytes(), Buffer.alloc(0)]],
    ['anywhere', [1, { a: [null, { b: bytes(0, 255) }], c: 'x' }, [[Buffer.from([9])]]]],
    ['beside nulls and what looks like them', [null, { attachments: [{ path: ['params', 0], type: 'Buffer', bytes: 1 }], x: bytes(7) }]],
    ['under keys such as __proto__', [JSON.parse('{"__proto__":null,"constructor":null}') as unknown, bytes(1)]],
  ])('%s', (_, args) => {
    for (const piece of [undefined, 1, 7, 65_536]) expect(roundTrip(args, piece)).toStrictEqual(args);
  });

  test('of a megabyte', () => {
    const sent = Buffer.alloc(2 ** 20, 'abc');
    const [read] = roundTrip([sent], 65_536) as [Buffer];
    expect([Buffer.isBuffer(read), read.equals(sent)]).toEqual([true, true]);
  });

  test('as a key that is a setter elsewhere', () => {
    const value = Object.defineProperty({}, '__proto__', { value: bytes(5), enumerable: true, writable: true, configurable: true });
    const [read] = roundTrip([value]) as [object];
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(read, '__proto__')?.value).toEqual(bytes(5));
  });

  test('with memory of their own, that begins at its beginning', () => {
    const read = roundTrip([bytes(1), bytes(2, 3), Buffer.from([4])]) as Uint8Array[];
    expect(read.map(({ byteOffset, buffer }) => [byteOffset, buffer.byteLength])).toEqual([
      [0, 1],
      [0, 2],
      [0, 1],
    ]);
  });

  test('as they were when they were taken', () => {
    const value = bytes(1, 2);
    const payload = argsToJson([value]);
    value.fill(0);
    expect(readAll(written(payload))[0]!.params).toEqual([bytes(1, 2)]);
  });

  test('of a subclass as Uint8Array; other views as JSON has them', () => {
    class Own extends Uint8Array {}
    expect(roundTrip([new Own([1]), new Uint16Array([1]), new Uint8ClampedArray([2])])).toStrictEqual([bytes(1), { '0': 1 }, { '0': 2 }]);
  });

  test('however far behind they lie', () => {
    const args = [Array.from({ length: 10_000 }, (_, i) => ({ i })), [[[[bytes(8)]]]]];
    expect(roundTrip(args)).toStrictEqual(args);
    const far = [[...Array.from({ length: 50_000 }, () => ({ a: 1 })), { deep: [bytes(8)] }]];
    expect(roundTrip(far)).toStrictEqual(far);
  });
});

test('what is taken out leaves the value as it is, and shares what holds no bytes', () => {
  const inner = { list: [1, 2] };
  const value = { inner, image: bytes(1) };
  argsToJson([value]);
  expect(value).toEqual({ inner, image: bytes(1) });
});

test('what JSON refuses is refused beside bytes, too, with its path', () => {
  const cycle: unknown[] = [bytes(1)];
  cycle.push(cycle);
  expect(() => argsToJson([{ a: bytes(1), b: () => 1 }])).toThrow('arguments[0].b: a function');
  expect(() => argsToJson([bytes(1), { n: 1n }])).toThrow('arguments[1].n: a bigint');
  expect(() => argsToJson([cycle])).toThrow('arguments[0][1]: a cycle');
  expect(() => argsToJson([Array.from({ length: MAX_ATTACHMENTS + 1 }, () => bytes())])).toThrow(`more than ${MAX_ATTACHMENTS} values of bytes`);
});

test('who takes no attachments gets what JSON makes of them', () => {
  const args = [null, { a: Buffer.from([1, 2]), b: [bytes(3)] }, 'x'];
  const { json, attachments } = argsToJson(args);
  expect(inline(json, attachments, 1)).toBe(JSON.stringify(args));
});

test('bytes count as what they are, not as numbers', () => {
  const { json, attachments } = argsToJson([Buffer.alloc(1_000)]);
  expect(payloadBytes(json, attachments)).toBeLessThan(1_100);
  expect(payloadBytes(json, attachments)).toBe(Buffer.byteLength(json) + Buffer.byteLength(attachmentsMember(attachments)) + 1_000);
});

test('any values make the round trip, in any pieces, one frame behind the other', () => {
  const leaf = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((value) => new Uint8Array(value)),
    fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value)),
    fc.string(),
    fc.constant(null),
    fc.integer(),
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(fc.string({ maxLength: 9 }), tie('tree'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(fc.array(fc.array(tree, { maxLength: 3 }), { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 200 }), (calls, piece) => {
      const read = readAll(Buffer.concat(calls.map((args) => written(argsToJson(args)))), piece);
      expect(read.map(({ params }) => params)).toStrictEqual(calls);
    }),
    { numRuns: 1_000 },
  );
});

describe('a message is not believed', () => {
  const one = { path: ['params', 0], type: 'Buffer', bytes: 3 };
  const attached = (list: unknown, params: unknown = [null], id: unknown = FIRST_CALL_ID): string | null =>
    attach({ id, params, attachments: list }, Buffer.from('abc'), 'params');

  test('that is well formed is taken', () => {
    expect(attached([one])).toBeNull();
  });

  test.each<[string, unknown, unknown?, unknown?]>([
    ['no list', undefined],
    ['an empty list', []],
    ['no attachment', [null]],
    ['a number', [5]],
    ['no path', [{ ...one, path: [] }]],
    ['a path that is none', [{ ...one, path: 'params' }]],
    ['a path into the message', [{ ...one, path: ['attachments', 0, 'path'] }]],
    ['a path to the other side', [{ ...one, path: ['result'] }]],
    ['a path to what is not there', [{ ...one, path: ['params', 1] }]],
    ['a path to what is inherited', [{ ...one, path: ['params', '__proto__'] }]],
    ['a path to what is no null', [one], [0]],
    ['a path through a text', [{ ...one, path: ['params', 0, 'length'] }], ['x']],
    ['a path to the length', [{ ...one, path: ['params', 'length'] }]],
    ['a path of objects', [{ ...one, path: ['params', {}] }]],
    [
      'the same place twice',
      [
        { ...one, bytes: 1 },
        { ...one, bytes: 2 },
      ],
    ],
    [
      'a place within bytes',
      [
        { ...one, bytes: 1 },
        { ...one, path: ['params', 0, 0], bytes: 2 },
      ],
    ],
    ['an unknown type', [{ ...one, type: 'Float64Array' }]],
    ['too many bytes', [{ ...one, bytes: 4 }]],
    ['too few bytes', [{ ...one, bytes: 2 }]],
    ['bytes below zero', [{ ...one, bytes: -1 }]],
    ['half a byte', [{ ...one, bytes: 1.5 }]],
    ['bytes as text', [{ ...one, bytes: '3' }]],
    ['a control message', [one], [null], 5],
    ['a notification', [one], [null], null],
  ])('with %s', (_, list, params = [null], ...id) => {
    expect(attached(list, params, ...(id.length === 0 ? [FIRST_CALL_ID] : id))).toEqual(expect.any(String));
  });

  test.each(['null', '5', '"x"', '[]'])('that is %s', (json) => {
    expect(attach(JSON.parse(json), Buffer.from('abc'), 'params')).toEqual(expect.any(String));
  });

  test('with too many, or too deep ones; and none holds the event loop', () => {
    const many = (count: number): unknown[] => Array.from({ length: count }, (_, i) => ({ path: ['params', i], type: 'Buffer', bytes: 0 }));
    const nulls = (count: number): null[] => Array.from({ length: count }, () => null);
    const brief = (list: unknown[], params: () => unknown): string | null =>
      expectBrief(
        () => 'attachments',
        () => attach({ id: FIRST_CALL_ID, params: params(), attachments: list }, Buffer.alloc(0), 'params'),
      );
    expect(brief(many(MAX_ATTACHMENTS), () => nulls(MAX_ATTACHMENTS))).toBeNull();
    expect(brief(many(MAX_ATTACHMENTS + 1), () => nulls(MAX_ATTACHMENTS + 1))).toContain('the limit is');
    let deep: unknown = nulls(100);
    for (let i = 0; i < 2_000; i++) deep = [deep];
    const path = ['params', ...Array.from({ length: 2_000 }, () => 0)];
    const steep = Array.from({ length: 100 }, (_, i) => ({ path: [...path, i], type: 'Buffer', bytes: 0 }));
    expect(steep.length * path.length).toBeGreaterThan(MAX_ATTACHMENT_STEPS);
    expect(brief(steep, () => deep)).toBe('attachments lie too deep');
  });
});

describe('a header', () => {
  const header = (length: number, type: string): string => `Content-Length: ${length}\r\nContent-Type: ${type}\r\n\r\n`;
  const TYPE = 'application/vnd.chameleon.attachments';
  const refused = (text: string, more: object = { onAttached() {} }): string => {
    try {
      new FrameDecoder({ maxMessageBytes: 1_000, onFrame() {}, ...more }).push(Buffer.from(text));
    } catch (error) {
      expect(error).toBeInstanceOf(FramingError);
      return (error as Error).message;
    }
    return 'accepted';
  };

  test.each([
    [header(5, TYPE), 'does not say how long the text is'],
    [header(5, `${TYPE}; text=`), 'text is no decimal number'],
    [header(5, `${TYPE}; text=05`), 'text is no decimal number'],
    [header(5, `${TYPE}; text=-1`), 'text is no decimal number'],
    [header(5, `${TYPE}; text=0`), 'has a text of 0'],
    [header(5, `${TYPE}; text=6`), 'a frame of 5 bytes has a text of 6'],
    [header(5, `${TYPE}; text=2\r\nContent-Type: ${TYPE}; text=2`), 'Content-Type stands twice'],
    [header(1_001, `${TYPE}; text=2`), 'over the limit'],
  ])('%j is refused', (text, reason) => {
    expect(refused(text)).toContain(reason);
  });

  test('is refused where attachments were not agreed on, and another type is none', () => {
    expect(refused(header(5, `${TYPE}; text=2`), {})).toContain('not agreed on');
    expect(refused(`${header(2, 'application/json')}{}`)).toBe('accepted');
  });
});

test('a stream with any of its bytes changed is read or refused, in one way, and what is thrown is named', () => {
  const stream = Buffer.concat([
    written(argsToJson([bytes(1, 2), { a: Buffer.from('xyz') }])),
    written(argsToJson(['plain'])),
    written(argsToJson([[bytes()]])),
  ]);
  const change = fc.tuple(fc.nat({ max: stream.length - 1 }), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'cut', 'put'));
  const outcome = (mutated: Buffer, piece: number): string => {
    try {
      return JSON.stringify(
        expectBrief(
          () => mutated.toString('latin1'),
          () => readParts(mutated, piece),
        ),
      );
    } catch (error) {
      expect(['FramingError', 'SyntaxError']).toContain((error as Error).constructor.name);
      return 'refused';
    }
  };
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let mutated = stream;
      for (const [at, byte, how] of changes) {
        const [before, after] = [mutated.subarray(0, at), mutated.subarray(how === 'put' ? at : at + 1)];
        mutated = Buffer.concat([before, ...(how === 'cut' ? [] : [Buffer.of(byte)]), after]);
      }
      expect(outcome(mutated, 1)).toBe(outcome(mutated, mutated.length));
    }),
    { numRuns: 2_000 },
  );
});

/** As `readAll`, of a stream that may end anywhere. */
function readParts(stream: Buffer, pieceBytes: number): unknown[] {
  const read: unknown[] = [];
  const decoder = new FrameDecoder({
    maxMessageBytes: 2 ** 24,
    onFrame: (json) => read.push(JSON.parse(json)),
    onAttached: (json, blob) => {
      const message: unknown = JSON.parse(String(json));
      const fault = attach(message, blob, 'params');
      if (fault !== null) throw new FramingError(fault);
      read.push(message);
    },
  });
  for (let at = 0; at < stream.length; at += pieceBytes) decoder.push(stream.subarray(at, at + pieceBytes));
  return read;
}

test('a result is taken apart as arguments are', () => {
  const found: Attachment[] = [];
  expect(toJson({ image: bytes(1) }, 'result', found, ['result'])).toBe('{"image":null}');
  expect(found).toMatchObject([{ path: ['result', 'image'], type: 'Uint8Array' }]);
});
