/** docs/protocol.md says what is so: its examples are true bytes, and no message, code or number is missing. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { attach } from '../../src/protocol/attachments.ts';
import { FrameDecoder, MAX_HEADER_BYTES } from '../../src/protocol/framing.ts';
import { LANE, laneWindow, MAX_PART_BYTES, PART_OF_LANE } from '../../src/protocol/lane.ts';
import {
  ATTACHMENTS,
  CHANNEL_FD,
  Control,
  ErrorCode,
  EXIT_FATAL,
  INSTANCE_MARKER,
  isReserved,
  MAX_METHOD_NAME,
  MAX_METHODS,
} from '../../src/protocol/messages.ts';

const text = readFileSync(resolve(import.meta.dirname, '../../docs/protocol.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)\n\`\`\`$`, 'gm'))].map(([, block]) => block!);
const parted = (block: string): { header: string; body: string } => {
  const gap = block.indexOf('\n\n');
  return { header: block.slice(0, gap).replaceAll('\n', '\r\n'), body: block.slice(gap + 2) };
};
const frames = blocks('http').map(parted);

test('there are examples', () => {
  expect(frames.length).toBeGreaterThan(12);
  expect(blocks('json')).not.toEqual([]);
});

test.each(frames)('$body is a frame as it stands', ({ header, body }) => {
  const read: string[] = [];
  const decoder = new FrameDecoder({ maxMessageBytes: 2 ** 24, onFrame: (json) => read.push(json) });
  decoder.push(Buffer.from(`${header}\r\n\r\n${body}`));
  expect([read, decoder.midFrame]).toEqual([[body], false]);
  const message = JSON.parse(body) as { jsonrpc: string; id?: number; method?: string; error?: { code: number } };
  expect(message.jsonrpc).toBe('2.0');
  if (message.method !== undefined && isReserved(message.method)) expect(Object.values(Control)).toContain(message.method);
  if (message.error !== undefined) expect(Object.values(ErrorCode)).toContain(message.error.code);
});

test.each(blocks('attachments').map(parted))('$body is a frame with its bytes', ({ header, body }) => {
  const blob = body.slice(body.lastIndexOf('}') + 1);
  let message: { params: unknown[] } | null = null;
  const decoder = new FrameDecoder({
    maxMessageBytes: 2 ** 24,
    onFrame: () => expect.fail('it has no bytes'),
    onAttached: (json, bytes) => {
      message = JSON.parse(String(json)) as { params: unknown[] };
      expect(attach(message, bytes, 'params')).toBeNull();
    },
  });
  decoder.push(Buffer.from(`${header}\r\n\r\n${body}`));
  expect(message!.params).toStrictEqual([Buffer.from(blob.slice(0, 6)), { watermark: new Uint8Array(Buffer.from(blob.slice(6))) }]);
});

test.each(blocks('lane'))('%s are frames side by side', (block) => {
  const read: string[] = [];
  const lane = new FrameDecoder({ maxMessageBytes: 2 ** 24, onFrame: (json) => read.push(`lane ${json}`) });
  const decoder = new FrameDecoder({ maxMessageBytes: 2 ** 24, onFrame: (json) => read.push(json), onPart: (bytes) => lane.push(bytes) });
  decoder.push(Buffer.from(block.replaceAll('\n', '\r\n')));
  expect([decoder.midFrame, lane.midFrame]).toEqual([false, false]);
  expect(read).toEqual([expect.stringMatching(/^\{.*"short"\}$/), expect.stringMatching(/^lane \{.*"a long text"\}$/)]);
});

test.each(blocks('json'))('%s is JSON', (block) => {
  expect(() => JSON.parse(block) as unknown).not.toThrow();
});

describe('nothing is missing', () => {
  test.each(Object.values(Control))('%s has an example', (method) => {
    expect(frames.filter(({ body }) => body.includes(`"method":"${method}"`))).not.toEqual([]);
  });

  test.each(Object.entries(ErrorCode))('the code of %s, %d, is in the table', (_, code) => {
    expect(text).toContain(`\n| −${-code} `);
  });

  test.each([CHANNEL_FD, EXIT_FATAL, INSTANCE_MARKER, MAX_METHODS, MAX_METHOD_NAME, MAX_HEADER_BYTES, ATTACHMENTS, LANE, PART_OF_LANE])(
    '%s is said',
    (fact) => {
      expect(text).toMatch(new RegExp(`\\b${fact}\\b`));
    },
  );

  test('the numbers of the lane are said', () => {
    for (const number of [MAX_PART_BYTES, laneWindow(0)]) expect(text).toContain(number.toLocaleString('en-US'));
  });
});
