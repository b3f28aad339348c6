/** The log over the control socket: the latest records, what comes, and readers that are too slow. (F58) */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ask, converse } from '../../src/cli/control/client.ts';
import { LogRing } from '../../src/cli/control/log-ring.ts';
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

test('lines of one plugin take no more than its share of the records', async () => {
  const { ring } = await bench.serve();
  for (const plugin of ['quiet', 'other', undefined]) for (const line of ['one', 'two']) ring.append('info', `${plugin}: ${line}`, { plugin });
  for (let index = 0; index < 5 * LOG_RECORDS; index++) ring.append('info', `loud: ${index}`, { plugin: 'loud' });
  expect(await records({ name: 'quiet' })).toEqual(['quiet: one', 'quiet: two']);
  const all = await records({});
  expect(all).toHaveLength(LOG_RECORDS);
  expect(all.slice(0, 7)).toEqual([
    ...['quiet', 'other', 'undefined'].flatMap((plugin) => [`${plugin}: one`, `${plugin}: two`]),
    `loud: ${4 * LOG_RECORDS + 6}`,
  ]);
  // Two that are loud share what is left.
  for (let index = 0; index < 5 * LOG_RECORDS; index++) ring.append('info', `quiet: ${index}`, { plugin: 'quiet' });
  const [quiet, loud] = [await records({ name: 'quiet' }), await records({ name: 'loud' })];
  expect(quiet.length + loud.length).toBe(LOG_RECORDS - 4);
  expect(Math.abs(quiet.length - loud.length)).toBeLessThanOrEqual(1);
  expect(quiet.at(-1)).toBe(`quiet: ${5 * LOG_RECORDS - 1}`);
});

test('a reader is told of the records that it was too late for, and of no others', () => {
  const ring = new LogRing(10);
  const add = (plugin: string, count: number): void => {
    for (let index = 0; index < count; index++) ring.append('info', plugin, { plugin });
  };
  const lostBy = (reader: { take(): { lost: number } | null }): number => {
    let lost = 0;
    for (let taken = reader.take(); taken !== null; taken = reader.take()) lost += taken.lost;
    return lost;
  };
  add('quiet', 3);
  add('loud', 50);
  expect(lostBy(ring.reader())).toBe(0);
  const [all, quiet, loud] = [ring.reader(), ring.reader('quiet'), ring.reader('loud')];
  loud.take();
  add('loud', 20);
  // Ten were held, of which seven were of the plugin that is loud; one of those was read.
  expect([lostBy(all), lostBy(quiet), lostBy(loud)]).toEqual([20, 0, 19]);
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
