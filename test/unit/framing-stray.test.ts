/** stdin and stdout: what stands between frames and is no header becomes a log line. */
import { describe, expect, test } from 'vitest';
import { frame } from '../../src/protocol/frame.ts';
import { FrameDecoder } from '../../src/protocol/framing.ts';

const MAX_LINE = 8192;

/** Everything that comes out, in order: frames as they are, lines in pointed brackets. */
function outcome(chunks: Iterable<Buffer>, { end = true } = {}): string[] {
  const out: string[] = [];
  const decoder = new FrameDecoder({ maxMessageBytes: 1_000, onFrame: (json) => out.push(json), onStrayLine: (line) => out.push(`<${line}>`) });
  for (const chunk of chunks) decoder.push(chunk);
  if (end) decoder.end();
  return out;
}

const whole = (text: string): Buffer[] => [Buffer.from(text)];
const bytewise = (text: string): Buffer[] => [...Buffer.from(text)].map((byte) => Buffer.from([byte]));

describe.each([
  ['in one read', whole],
  ['byte by byte', bytewise],
])('stray lines, %s', (_, cut) => {
  test.each<[string, string, string[]]>([
    ['before, between and after frames', `one\n${frame('1')}two\r\n\n${frame('2')}three`, ['<one>', '1', '<two>', '<>', '2', '<three>']],
    [
      'that begin as a header does',
      `C\nCont\nContent-Lengthy\nContent-Length\n${frame('1')}`,
      ['<C>', '<Cont>', '<Content-Lengthy>', '<Content-Length>', '1'],
    ],
    ['with a header inside', `see Content-Length: 5\n${frame('1')}`, ['<see Content-Length: 5>', '1']],
    ['of characters of many bytes', `größer 世界 👋\n${frame('"é"')}`, ['<größer 世界 👋>', '"é"']],
    ['without an end', 'working…', ['<working…>']],
    ['that break off within a header', 'Content-Le', ['<Content-Le>']],
  ])('%s', (_what, text, expected) => {
    expect(outcome(cut(text))).toEqual(expected);
  });

  test('a line without end comes in pieces, and the frame after it is found', () => {
    const out = outcome(cut(`${'x'.repeat(3 * MAX_LINE + 5)}\n${frame('1')}`));
    expect(out.map((item) => item.length)).toEqual([MAX_LINE + 2, MAX_LINE + 2, MAX_LINE + 2, 7, 1]);
  });
});

describe.each([
  ['in one read', whole],
  ['byte by byte', bytewise],
])('a mistake of framing is named, %s', (_, cut) => {
  test.each<[string, string, string]>([
    ['text on the line of a header', `progress...${frame('{"id":1}')}`, 'text stands on the line of a header: "progress..."'],
    [
      'text on the line of a later header',
      `one\n${frame('1')}50 %\rContent-Length: 7\r\n\r\n{"a":1}`,
      'text stands on the line of a header: "50 %\\r"',
    ],
    ['LF for CR LF', 'Content-Length: 8\n\n{"id":1}', 'a header line ends in LF alone'],
    ['LF for CR LF, and a right frame later', `Content-Length: 8\n\n{"id":1}${frame('2')}`, 'a header line ends in LF alone'],
    ['LF for the empty line', 'Content-Length: 8\r\n\n{"id":1}', 'a header line ends in LF alone'],
    ['CR for CR LF', 'Content-Length: 8\r\r{"id":1}', 'a header line ends in CR alone'],
    ['no empty line', 'Content-Length: 8\r\n{"id":1}', 'the empty line (CR LF) between header and JSON is missing'],
  ])('%s', (_what, text, reason) => {
    expect(() => outcome(cut(text))).toThrow(reason);
  });

  test.each<[string, string, string[]]>([
    ['a line that only ends as a header does', `see Content-Length: 5\r\nnext\n${frame('1')}`, ['<see Content-Length: 5>', '<next>', '1']],
    ['and is followed by a frame', `see Content-Length: 5\r\n${frame('1')}`, ['<see Content-Length: 5>', '1']],
    ['and by the end', 'see Content-Length: 5\r\n', ['<see Content-Length: 5>']],
  ])('but not %s', (_what, text, expected) => {
    expect(outcome(cut(text))).toEqual(expected);
  });
});

test('a broken header is a violation here, too', () => {
  expect(() => outcome(whole('Content-Length: 5abc\r\n\r\n'))).toThrow('no decimal number');
  expect(() => outcome(bytewise('Content-Length: 5\r\nhello\r\n\r\n'))).toThrow('unknown header line "hello"');
});

test('a stray line that has no end yet is no frame that stalls; a header is one', () => {
  const decoder = new FrameDecoder({ maxMessageBytes: 1_000, onFrame() {}, onStrayLine() {} });
  decoder.push(Buffer.from('Content-Leng'));
  expect(decoder.midFrame).toBe(false);
  decoder.push(Buffer.from('th: 1'));
  expect(decoder.midFrame).toBe(true);
});

test('8 MiB of one line are searched once, not once for each of its pieces', () => {
  const endless = Buffer.alloc(8 * 2 ** 20, 'x');
  let searched = 0;
  const indexOf = Buffer.prototype.indexOf as (this: Buffer, ...args: unknown[]) => number;
  Buffer.prototype.indexOf = function (this: Buffer, ...args: unknown[]) {
    const found = indexOf.call(this, ...args);
    searched += (found === -1 ? this.length : found) - (typeof args[1] === 'number' ? args[1] : 0);
    return found;
  };
  try {
    expect(outcome([endless])).toHaveLength(endless.length / MAX_LINE);
  } finally {
    Buffer.prototype.indexOf = indexOf;
  }
  expect(searched).toBeLessThanOrEqual(2 * endless.length);
});
