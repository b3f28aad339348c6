/** Requests on the control socket: answers, errors, and clients that leave. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ask } from '../../src/cli/control/client.ts';
import { LineSplitter, MAX_RUNNING } from '../../src/cli/control/protocol.ts';
import { ControlBench, request } from './control-bench.ts';
import { eventually, jsonLines } from './run.ts';

let bench: ControlBench;
beforeEach(() => {
  bench = new ControlBench();
});
afterEach(() => bench.close());

test('an answer comes back, and an error with its code and facts', async () => {
  await bench.serve();
  expect(await ask(bench.socket, 'status', { name: 'x' })).toEqual({ pid: 1, name: 'x' });
  await expect(ask(bench.socket, 'methods', { name: 'helo' })).rejects.toMatchObject({
    facts: { code: 'ERR_PLUGIN_NOT_FOUND', plugin: 'helo', available: ['hello'] },
  });
});

test('an operation or parameters that are not there are refused, and the connection goes on', async () => {
  await bench.serve();
  const { connection, received } = await bench.open();
  connection.write(
    request(1, 'explode') +
      request(2, 'call', { plugin: 'hello' }) +
      request(3, 'status', { name: 7 }) +
      request(4, '__proto__') +
      request(5, 'status'),
  );
  await eventually(() => expect(jsonLines(received())).toHaveLength(5));
  const answers = jsonLines<{ error?: { code: string } }>(received());
  expect(answers.map(({ error }) => error?.code)).toEqual(['ERR_USAGE', 'ERR_USAGE', 'ERR_USAGE', 'ERR_USAGE', undefined]);
});

test('requests of one connection run side by side and are answered by id', async () => {
  await bench.serve();
  const { connection, received } = await bench.open();
  connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }) + request(2, 'call', { plugin: 'a', method: 'echo', args: ['你好'] }));
  await eventually(() => expect(received()).toBe('{"id":2,"result":"你好"}\n'));
});

test('a client that hangs up aborts its running calls', async () => {
  const { calls } = await bench.serve();
  const { connection } = await bench.open();
  connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }) + request(2, 'call', { plugin: 'a', method: 'hang' }));
  await eventually(() => expect(calls.running).toBe(2));
  connection.destroy();
  await eventually(() => expect(calls).toEqual({ running: 0, aborted: 2 }));
});

test('arguments and result of ten megabytes come through', async () => {
  await bench.serve();
  const text = 'é'.repeat(5 * 1024 * 1024);
  expect(await ask(bench.socket, 'call', { plugin: 'a', method: 'echo', args: [text] })).toBe(text);
});

test('more requests at once than are allowed are refused, the others go on', async () => {
  const { calls } = await bench.serve();
  const { connection, received } = await bench.open();
  for (let id = 0; id <= MAX_RUNNING; id++) connection.write(request(id, 'call', { plugin: 'a', method: 'hang' }));
  await eventually(() => expect(JSON.parse(received())).toMatchObject({ id: MAX_RUNNING, error: { code: 'ERR_CONTROL_BUSY' } }));
  expect(calls.running).toBe(MAX_RUNNING);
});

test('a large request of too many values is refused under its id, what comes behind it is answered, and one of few values is taken', async () => {
  await bench.serve();
  const { connection, received } = await bench.open();
  const dense = Array.from({ length: 100_000 }, () => []);
  const answers = (): { id: number; result?: unknown; error?: object }[] => jsonLines(received());
  connection.write(request(1, 'call', { plugin: 'a', method: 'echo', args: dense }) + request(2, 'status') + request(3, 'status'));
  await eventually(() => expect(answers()).toHaveLength(3));
  expect(answers().map(({ id }) => id)).toEqual([1, 2, 3]);
  expect(answers()[0]!.error).toMatchObject({ code: 'ERR_USAGE', hint: 'send less at once, or as one text' });
  connection.write(request(4, 'call', { plugin: 'a', method: 'echo', args: ['x'.repeat(2 ** 20)] }));
  await eventually(() => expect(answers()[3]).toEqual({ id: 4, result: 'x'.repeat(2 ** 20) }));
});

test('closing answers what runs before it hangs up', async () => {
  const { control } = await bench.serve();
  const { connection, received, closed } = await bench.open();
  connection.write(request(1, 'call', { plugin: 'a', method: 'echo', args: [1] }));
  await eventually(() => expect(received()).not.toBe(''));
  await control.close();
  await closed;
  expect(received()).toBe('{"id":1,"result":1}\n');
  expect(existsSync(bench.socket)).toBe(false);
});

test('a line is found however its bytes are split', () => {
  const splitter = new LineSplitter(16);
  const bytes = Buffer.from('{"你":1}\n\n{"b":2}\nrest');
  const lines: string[] = [];
  for (const byte of bytes) lines.push(...splitter.push(Buffer.from([byte])));
  expect(lines).toEqual(['{"你":1}', '', '{"b":2}']);
  expect(splitter.midLine).toBe(true);
  expect(() => splitter.push(Buffer.alloc(13, 0x61))).toThrow('longer than 16');
});
