/** The example plugins that are shipped, each with its real dependencies, on real input. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StartFailedError, Supervisor } from '../../src/index.ts';
import { rejection } from '../helpers/rejection.ts';
import { examples, useSupervisors } from '../helpers/supervise.ts';
import { until } from '../helpers/until.ts';

const supervise = useSupervisors();
const root = resolve(import.meta.dirname, '../..');

/** Width and height as a JPEG's own header has them. */
function sizeOf(jpeg: Buffer): { width: number; height: number } {
  expect(jpeg.readUInt16BE(0)).toBe(0xffd8);
  for (let at = 2; at < jpeg.length; at += 2 + jpeg.readUInt16BE(at + 2)) {
    const marker = jpeg.readUInt16BE(at);
    // Start of frame, of whatever kind of compression.
    if (marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker))
      return { height: jpeg.readUInt16BE(at + 5), width: jpeg.readUInt16BE(at + 7) };
  }
  throw new Error('no frame in this JPEG');
}

describe('hello', () => {
  test('greets in both versions', async () => {
    const { supervisor } = await supervise();
    await supervisor.load(join(examples, 'hello/1.0.0'));
    expect(await supervisor.call('hello', 'greet', ['世界'])).toBe('你好, 世界');
    await supervisor.load(join(examples, 'hello/2.0.0'), { options: { options: { greeting: 'Hello' } } });
    expect(await supervisor.call('hello', 'greet', ['世界'])).toBe('👋 Hello, 世界!');
    expect(supervisor.methods('hello')).toEqual(['greet', 'farewell']);
  });
});

describe('markdown', () => {
  const installed = async (version: string): Promise<string> =>
    (JSON.parse(await readFile(join(examples, 'markdown', version, 'node_modules/marked/package.json'), 'utf8')) as { version: string }).version;

  async function bothVersions(): Promise<Supervisor> {
    const { supervisor } = await supervise({
      pluginDir: examples,
      plugins: { markdown: { pin: ['^1'] }, hello: { enabled: false }, thumbnail: { enabled: false }, wordcount: { enabled: false } },
    });
    return supervisor;
  }

  test('renders this README through two majors of one dependency, side by side, each from its own copy', async () => {
    const supervisor = await bothVersions();
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const render = (version: string): Promise<unknown> => supervisor.call(`markdown@${version}`, 'render', [readme]);
    const [older, newer] = (await Promise.all([render('^1'), render('^2')])) as [string, string];
    const title = /^# (.+)$/m.exec(readme)![1]!;
    for (const html of [older, newer]) {
      expect(html).toContain(title);
      expect(html.length).toBeGreaterThan(readme.length / 2);
    }
    // marked 4 gave every heading an id, marked 5 and later do not.
    expect(older).toMatch(/<h1 id="[^"]+">/);
    expect(newer).toContain('<h1>');
    expect(newer).not.toMatch(/<h1 id=/);

    const copies = [await installed('1.0.0'), await installed('2.0.0')];
    expect([await supervisor.call('markdown@^1', 'renderer'), await supervisor.call('markdown@^2', 'renderer')]).toEqual(copies);
    expect(copies.map((version) => Number.parseInt(version, 10))).toEqual([4, 18]);
    const { versions } = supervisor.status('markdown');
    expect(new Set(versions.map(({ pid }) => pid)).size).toBe(2);
  });

  test('the active one is the newer, until it is unloaded', async () => {
    const supervisor = await bothVersions();
    expect(await supervisor.call('markdown', 'render', ['# Hi'])).toBe('<h1>Hi</h1>\n');
    await supervisor.unload('markdown', { version: '2.0.0' });
    expect(await supervisor.call('markdown', 'render', ['# Hi'])).toBe('<h1 id="hi">Hi</h1>\n');
  });

  test('blames the caller for what is no text, and is none the worse for it', async () => {
    const supervisor = await bothVersions();
    expect(await rejection(supervisor.call('markdown', 'render', [42]))).toMatchObject({
      code: 'ERR_PLUGIN_THREW',
      remote: { code: 'ERR_INVALID_ARGS' },
    });
    expect(supervisor.breaker('markdown')).toMatchObject({ state: 'closed', failures: 0 });
  });
});

describe('thumbnail', () => {
  const image = (): Promise<Buffer> => readFile(join(root, 'test/fixtures/image.jpg'));

  test('resizes a real image with a native add-on', async () => {
    const { supervisor } = await supervise();
    await supervisor.load(join(examples, 'thumbnail/1.0.0'));
    const original = await image();
    const { width, height } = sizeOf(original);
    const resize = async (box: object) =>
      (await supervisor.call('thumbnail', 'resize', [original.toString('base64'), box])) as Record<string, unknown>;
    const small = await resize({ width: 64 });
    const expected = { width: 64, height: Math.round((height * 64) / width) };
    expect(small).toMatchObject({ ...expected, format: 'jpeg' });
    expect(sizeOf(Buffer.from(small['base64'] as string, 'base64'))).toEqual(expected);
    const png = await resize({ height: 10, format: 'png' });
    expect(png).toMatchObject({ height: 10, format: 'png' });
    const bytes = Buffer.from(png['base64'] as string, 'base64');
    expect([bytes.toString('latin1', 1, 4), bytes.readUInt32BE(20)]).toEqual(['PNG', 10]);
  });

  test('can be cancelled while it computes: the caller is free at once, the slot soon, and the child stays', async () => {
    const { supervisor } = await supervise();
    await supervisor.load(join(examples, 'thumbnail/1.0.0'), { options: { cancelGraceMs: 20_000 } });
    const { pid } = supervisor.status('thumbnail');
    const base64 = (await image()).toString('base64');
    const controller = new AbortController();
    const big = rejection(supervisor.call('thumbnail', 'resize', [base64, { width: 3_000, format: 'png' }], { signal: controller.signal }));
    await until('it is sent', () => supervisor.status('thumbnail').versions[0]!.instances[0]!.inFlight === 1);
    controller.abort();
    const began = performance.now();
    expect(await big).toMatchObject({ code: 'ERR_CALL_CANCELLED' });
    expect(performance.now() - began).toBeLessThan(250);
    await until('the slot is free', () => supervisor.status('thumbnail').inFlight === 0, 20_000);
    expect(await supervisor.call('thumbnail', 'resize', [base64, { width: 8 }])).toMatchObject({ width: 8 });
    expect(supervisor.status('thumbnail').pid).toBe(pid);
  });

  test('refuses what is no image', async () => {
    const { supervisor } = await supervise();
    await supervisor.load(join(examples, 'thumbnail/1.0.0'));
    expect(await rejection(supervisor.call('thumbnail', 'resize', ['bm8=', { width: 8 }]))).toMatchObject({
      code: 'ERR_PLUGIN_THREW',
      remote: { code: 'ERR_INVALID_ARGS', message: 'that is no image' },
    });
  });
});

describe('wordcount', () => {
  const hasPython = spawnSync('python3', ['--version']).status === 0;

  /** A megabyte of words in several scripts. */
  function megabyte(): string {
    const words = ['the', 'quick', 'Löwe', '世界', 'прыгает', '😀', "don't", 'x'];
    const gaps = [' ', '\n', '  ', '\t', ' \n'];
    let text = '';
    for (let n = 0; Buffer.byteLength(text) < 2 ** 20; n++) {
      for (let i = 0; i < 1_000; i++) text += words[(n + i * 7) % words.length]! + gaps[(n * 3 + i) % gaps.length]!;
    }
    return text;
  }

  test('counts a text of a megabyte, in Python, as JavaScript does', async ({ skip }) => {
    if (!hasPython) skip('python3 is missing here: the plugin in Python is not tried');
    const { supervisor } = await supervise();
    await supervisor.load(join(examples, 'wordcount/1.0.0'));
    const text = megabyte();
    expect(Buffer.byteLength(text)).toBeGreaterThan(2 ** 20);
    expect(await supervisor.call('wordcount', 'count', [text])).toEqual({
      words: text.split(/\s+/).filter((word) => word !== '').length,
      lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
      characters: Array.from(text).length,
    });
    const [top] = (await supervisor.call('wordcount', 'top', ['to be or not to be, that is the question: to be', 1])) as unknown[];
    expect(top).toEqual({ word: 'to', count: 3 });
  });

  test('where its program is missing, it says so, and the other plugins run', async () => {
    const { supervisor } = await supervise();
    const load = supervisor.load(join(examples, 'wordcount/1.0.0'), { options: { env: { PATH: '/nowhere' } } });
    const error = await rejection<StartFailedError>(load);
    expect(error).toMatchObject({ code: 'ERR_START_FAILED', plugin: 'wordcount', phase: 'spawn' });
    expect(error.hint).toContain('python3');
    await supervisor.load(join(examples, 'hello/1.0.0'));
    expect(await supervisor.call('hello', 'greet', ['you'])).toBe('你好, you');
  });
});

test('all examples run in one supervisor', async () => {
  const { supervisor } = await supervise({ pluginDir: examples });
  const { plugins, refused } = supervisor.status();
  expect(refused).toEqual([]);
  expect(plugins.map(({ name, version }) => `${name}@${version ?? ''}`).toSorted()).toEqual([
    'hello@2.0.0',
    'markdown@2.0.0',
    'thumbnail@1.0.0',
    'wordcount@1.0.0',
  ]);
});
