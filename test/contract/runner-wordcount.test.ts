import { spawnSync } from 'node:child_process';
import { describe, expect, test, vi } from 'vitest';
import { RawChild, repository } from '../helpers/raw-child.ts';

const dir = `${repository}/plugins/wordcount/1.0.0`;
/** The plugin is in Python, which not every machine has. */
const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.warn('skipped: the tests of the Python plugin need python3, which is not on this machine');

async function started(): Promise<RawChild> {
  const child = RawChild.command('python3', ['main.py'], dir);
  const { result } = await child.initialize(null);
  expect(result).toMatchObject({ protocol: 1, methods: { count: {}, top: {} }, pid: child.pid });
  return child;
}

describe.runIf(hasPython)('the plugin in Python', () => {
  test('counts words, lines and characters', async () => {
    await using child = await started();
    expect(await child.call('count', ['one two\nthree 👋'])).toMatchObject({ result: { words: 4, lines: 2, characters: 15 } });
    expect(await child.call('count', [''])).toMatchObject({ result: { words: 0, lines: 0, characters: 0 } });
    expect(await child.call('top', ['a b A c b a', 2])).toMatchObject({
      result: [
        { word: 'a', count: 3 },
        { word: 'b', count: 2 },
      ],
    });
    expect(child.stderr).toMatch(/counting with Python 3/);
  });

  test('refuses wrong arguments and unknown methods', async () => {
    await using child = await started();
    expect(await child.call('count', [1])).toMatchObject({ error: { code: -32602, message: 'the first argument must be a text' } });
    expect(await child.call('top', ['a', 0])).toMatchObject({ error: { code: -32602 } });
    expect(await child.call('count', ['a', 'b', 'c'])).toMatchObject({ error: { code: -32000, data: { name: 'TypeError' } } });
    expect(await child.call('__init__')).toMatchObject({ error: { code: -32601 } });
  });

  test('answers pings while it counts, and stops when it is told to', async () => {
    await using child = await started();
    const call = child.call('top', ['word '.repeat(2_000_000)]);
    expect(await child.control('$/ping')).toHaveProperty('result.cpuMs');
    expect(child.answers.map(({ id }) => id)).not.toContain(call.id);
    child.notify('$/cancelRequest', { id: call.id });
    expect(await call).toMatchObject({ error: { code: -32800 } });
  });

  test('drains, then frees and exits with 0', async () => {
    await using child = await started();
    const call = child.call('top', ['word '.repeat(100_000)]);
    await child.control('$/drain');
    expect(child.answers.map(({ id }) => id)).toContain(call.id);
    expect(await child.call('count', ['a'])).toMatchObject({ error: { code: -32603 } });
    expect(await child.control('$/free')).toMatchObject({ result: null });
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  test('ends by itself when its input ends, also while it counts', async () => {
    await using child = await started();
    void child.call('top', ['word '.repeat(2_000_000)]);
    await child.control('$/ping');
    child.input.end();
    const since = performance.now();
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - since).toBeLessThan(2_000);
  });

  test('refuses another protocol for good', async () => {
    await using child = RawChild.command('python3', ['main.py'], dir);
    expect(await child.initialize(null, { protocol: 2 })).toMatchObject({ error: { code: -32003, data: { phase: 'handshake' } } });
    expect(await child.exited).toMatchObject({ code: 125 });
    await vi.waitFor(() => expect(child.process.exitCode).toBe(125));
  });
});
