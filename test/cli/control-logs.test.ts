/** The log over the control socket: the latest records, what comes, and readers that are too slow. (F58) */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ask, converse } from '../../src/cli/control/client.ts';
import { LineSplitter, LOG_RECORDS } from '../../src/cli/control/protocol.ts';
import { ControlBench, request } from './control-bench.ts';
import { eventually, jsonLines } from './run.ts';

let bench: ControlBench;
beforeEach(() => {
  bench = new ControlBench();
});
afterEach(() => bench.close());

const records = async (params: object): Promise<unknown[]> => {
  const found: unknown[] = [];
  for await (const answer of converse(bench.socket, 'logs', params)) if ('record' in answer) found.push(answer.record.message);
  return found;
};

test('the latest records, of everything or of one plugin', async () => {
  const { ring } = await bench.serve();
  ring.append('info', 'one', { plugin: 'a' });
  ring.append('warn', 'two', { plugin: 'b' });
  ring.append('error', 'three');
  expect(await records({})).toEqual(['one', 'two', 'three']);
  expect(await records({ name: 'b' })).toEqual(['two']);
});

test('a follower gets what comes, and ends with the supervisor', async () => {
  const { ring, control } = await bench.serve();
  ring.append('info', 'before');
  const seen = records({ follow: true });
  const { connection, received } = await bench.open();
  connection.write(request(1, 'logs', { follow: true }));
  await eventually(() => expect(received()).toContain('before'));
  ring.append('info', 'after');
  await eventually(() => expect(received()).toContain('after'));
  await control.close();
  expect(await seen).toEqual(['before', 'after']);
});

test('a reader that does not read loses records, is told how many, and never holds up a call or the memory', async () => {
  const { ring } = await bench.serve();
  const { connection: slow } = await bench.open();
  slow.pause();
  slow.write(request(1, 'logs', { follow: true }));
  const total = 20 * LOG_RECORDS;
  for (let index = 0; index < total; index++) {
    ring.append('info', `${index} ${'x'.repeat(1000)}`);
    if (index % 1000 === 0) expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
  }
  const lines: string[] = [];
  const splitter = new LineSplitter();
  slow.on('data', (chunk: Buffer) => lines.push(...splitter.push(chunk)));
  slow.resume();
  const answers = (): { record?: unknown; lost?: number }[] => jsonLines(lines.join('\n'));
  await eventually(() => {
    const got = answers();
    expect(got.filter(({ record }) => record).length + got.reduce((sum, { lost = 0 }) => sum + lost, 0)).toBe(total);
  });
  expect(answers().some(({ lost = 0 }) => lost > 10 * LOG_RECORDS)).toBe(true);
});

test('records that JSON cannot carry, or that are huge, are kept as far as they can be', async () => {
  const { ring } = await bench.serve();
  const cyclic: Record<string, unknown> = { plugin: 'a' };
  cyclic.self = cyclic;
  ring.append('info', 'cyclic', cyclic);
  ring.append('info', 'y'.repeat(1_000_000), { plugin: 'a' });
  const [first, second] = await records({ name: 'a' });
  expect(first).toBe('cyclic');
  expect(String(second).length).toBeLessThan(10_000);
});
