import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { readLines, Tail } from '../../src/process/output.ts';

const MAX_LINE = 65_536;

/** The lines that come of these reads. */
async function linesOf(...reads: (string | Buffer)[]): Promise<string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  readLines(stream, (line) => lines.push(line));
  for (const read of reads) stream.write(read);
  stream.end();
  await finished(stream);
  return lines;
}

describe('lines', () => {
  test('a line that is split over reads is one line', async () => {
    expect(await linesOf('ab', 'c\nd', '', 'ef\n\n', 'g')).toEqual(['abc', 'def', '', 'g']);
  });

  test('a character that is split over reads is one character', async () => {
    const bytes = Buffer.from('größer 世界 👋\n');
    const single = [...bytes].map((byte) => Buffer.from([byte]));
    expect(await linesOf(...single)).toEqual(['größer 世界 👋']);
  });

  test('a character that breaks off at the end is replaced, never lost with its line', async () => {
    expect(await linesOf(Buffer.from('ok 👋').subarray(0, 5))).toEqual(['ok \uFFFD']);
  });

  test('ends of Windows are ends, also when they are split; a return within a line is part of it', async () => {
    expect(await linesOf('a\r\nb\r', '\nc\rd\n')).toEqual(['a', 'b', 'c\rd']);
  });

  test('ten thousand in one read are ten thousand', async () => {
    const lines = Array.from({ length: 10_000 }, (_, i) => `line ${i}`);
    expect(await linesOf(`${lines.join('\n')}\n`)).toEqual(lines);
  });

  test.each<[string, (string | Buffer)[]]>([
    ['in one read', ['x'.repeat(3 * MAX_LINE + 7)]],
    ['in one read, with its end', [`${'x'.repeat(3 * MAX_LINE + 7)}\n`]],
    ['split just before the limit', ['x'.repeat(MAX_LINE - 1), `${'x'.repeat(2 * MAX_LINE + 8)}\n`]],
  ])('one that is too long comes in lines of its own, %s', async (_, reads) => {
    const lines = await linesOf(...reads);
    expect(lines.map((line) => line.length)).toEqual([MAX_LINE, MAX_LINE, MAX_LINE, 7]);
  });

  test.each([
    ['behind a comma', `"password":"hunter2","x":"`, `"x":"`],
    ['behind a blank', `password: hunter2 xxx`, 'xxx'],
  ])('one that is too long is cut between two words: %s', async (_, end, rest) => {
    const text = 'x'.repeat(MAX_LINE - end.length + 2) + end;
    const lines = await linesOf(`${text}\n`);
    expect(lines.join('')).toBe(text);
    expect(lines[1]).toBe(rest);
  });

  test('a pipe that breaks ends them, with what there was', async () => {
    const stream = new PassThrough();
    const lines: string[] = [];
    readLines(stream, (line) => lines.push(line));
    stream.write('one\ntwo');
    const broken = new Error('EIO');
    stream.destroy(broken);
    await expect(finished(stream)).rejects.toBe(broken);
    expect(lines).toEqual(['one', 'two']);
  });
});

describe('the tail', () => {
  function tailOf(...lines: string[]): string {
    const tail = new Tail();
    for (const line of lines) tail.push(line);
    return tail.toString();
  }

  test('keeps the last 40 lines', () => {
    const lines = Array.from({ length: 100 }, (_, i) => `line ${i}`);
    expect(tailOf(...lines)).toBe(lines.slice(-40).join('\n'));
  });

  test('keeps 8 KiB', () => {
    const tail = tailOf(...Array.from({ length: 39 }, (_, i) => `${i}`.padEnd(1_000, 'x')));
    expect(tail.length).toBeLessThanOrEqual(8192);
    expect(tail.split('\n')).toHaveLength(8);
    expect(tail).toMatch(/^31x[^]*38x+$/);
  });

  test('keeps the end of a line that is longer than that', () => {
    expect(tailOf('before', `${'x'.repeat(20_000)}the reason`)).toBe(`${'x'.repeat(8192 - 10)}the reason`);
  });

  test('strikes a secret out before the line that holds it is cut', () => {
    const secret = 'hunter2'.repeat(1_000);
    expect(tailOf(`password=${secret}${'x'.repeat(5_000)} end`)).toBe('password=[redacted] end');
  });

  test('knows that a private key began in a line that it keeps no longer', () => {
    const lines = ['-----BEGIN PRIVATE KEY-----', ...Array.from({ length: 45 }, () => 'aB3d'.repeat(16)), 'Error: next'];
    expect(tailOf(...lines)).toBe([...Array.from({ length: 39 }, () => '[redacted]'), 'Error: next'].join('\n'));
  });

  test('of nothing is empty', () => {
    expect(tailOf()).toBe('');
  });
});
