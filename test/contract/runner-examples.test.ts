import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleRunner, RawChild, repository } from '../helpers/raw-child.ts';

let bundle: Awaited<ReturnType<typeof bundleRunner>>;
beforeAll(async () => void (bundle = await bundleRunner()));
afterAll(() => bundle[Symbol.asyncDispose]());

async function started(name: string, version: string): Promise<RawChild> {
  const child = RawChild.runner(bundle.runner);
  const answer = await child.initialize(`${repository}/plugins/${name}/${version}/index.js`);
  expect(answer).not.toHaveProperty('error');
  return child;
}

test('two versions of markdown each load their own marked', async () => {
  await using old = await started('markdown', '1.0.0');
  await using newest = await started('markdown', '2.0.0');
  expect((await old.call('renderer')).result).toMatch(/^4\./);
  expect((await newest.call('renderer')).result).toMatch(/^18\./);
  const text = '# Two majors\n\nmail me@example.org';
  expect((await old.call('render', [text])).result).toMatch(/<h1 id="two-majors">[^]*&#x/);
  expect((await newest.call('render', [text])).result).toMatch(/<h1>Two majors<\/h1>[^]*mailto:me@example\.org/);
  expect(await newest.call('render', [1])).toMatchObject({ error: { code: -32602 } });
});

test('thumbnail resizes a real image, refuses what is none, and can be cancelled', async () => {
  await using child = await started('thumbnail', '1.0.0');
  const image = await readFile(`${repository}/test/fixtures/image.jpg`, 'base64');
  expect(await child.call('resize', [image, { width: 96, height: 96 }])).toMatchObject({ result: { width: 96, height: 64, format: 'jpeg' } });
  const { result } = await child.call('resize', [image, { height: 20, format: 'png' }]);
  expect(result).toMatchObject({ width: 30, height: 20, format: 'png' });
  expect(
    Buffer.from((result as { base64: string }).base64, 'base64')
      .subarray(1, 4)
      .toString(),
  ).toBe('PNG');
  for (const args of [['aGVsbG8=', { width: 9 }], [image, {}], [image, { width: 9, format: 'exe' }], []]) {
    expect(await child.call('resize', args)).toMatchObject({ error: { code: -32602 } });
  }
  const cancelled = child.call('resize', [image, { width: 4_000, format: 'avif' }]);
  child.notify('$/cancelRequest', { id: cancelled.id });
  expect(await cancelled).toMatchObject({ error: { code: -32800 } });
});

test('hello greets, and its next version greets otherwise', async () => {
  await using first = await started('hello', '1.0.0');
  await using second = await started('hello', '2.0.0');
  expect(await first.call('greet', ['世界'])).toMatchObject({ result: '你好, 世界' });
  expect(await second.call('greet', ['世界'])).toMatchObject({ result: '👋 你好, 世界!' });
  expect(await second.call('farewell', ['世界'])).toMatchObject({ result: '再见, 世界' });
});
