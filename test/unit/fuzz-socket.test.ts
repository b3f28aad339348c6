/**
 * F58: whatever comes over the control socket, the answer is typed, the connection at worst is dropped, and the next one is served.
 * No line holds the event loop. A failure prints its seed; `CHAMELEON_TEST_SEED=…` brings it back.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../../src/cli/control/client.ts';
import { ControlBench, request } from '../cli/control-bench.ts';
import { expectNeverHeld, HELD_MS, longestHold } from '../helpers/held.ts';
import { until } from '../helpers/until.ts';

const seed = Number(process.env['CHAMELEON_TEST_SEED'] ?? Date.now() | 0);
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const call = (params: string): string => `{"id":1,"op":"call","params":${params}}`;

/** No request: the connection is told so and closed. */
const GARBAGE: (string | Buffer)[] = [
  '',
  ' ',
  '\t\t',
  '\0',
  '\r',
  'hello',
  'GET / HTTP/1.1',
  '\u{feff}{"id":1,"op":"status"}',
  '{',
  '}',
  '[]',
  'null',
  'true',
  '0',
  '""',
  '{"id":1}',
  '{"op":"status"}',
  '{"id":"1","op":"status"}',
  '{"id":1.5,"op":"status"}',
  '{"id":1e400,"op":"status"}',
  '{"id":9007199254740993,"op":"status"}',
  '{"id":null,"op":"status"}',
  '{"id":[1],"op":"status"}',
  '{"id":1,"op":null}',
  '{"id":1,"op":["status"]}',
  '{"id":1,"op":"status","params":null}',
  '{"id":1,"op":"status","params":[]}',
  '{"id":1,"op":"status","params":"x"}',
  "{'id':1,'op':'status'}",
  '{"id":1,"op":"status",}',
  '{"id":1,"op":"status"} {"id":2,"op":"status"}',
  'undefined',
  'NaN',
  '{"id":1,"op":"status"',
  deep(100_000),
  'x'.repeat(1_000_000),
  Buffer.from([0xff, 0xfe, 0xfd]),
  Buffer.from([0xc3, 0x28]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.alloc(100_000, 0x80),
];

/** Requests of no sense: answered with an error under their id, and the connection goes on. */
const NONSENSE = [
  '{"id":1,"op":""}',
  '{"id":1,"op":"__proto__"}',
  '{"id":1,"op":"constructor"}',
  '{"id":1,"op":"toString"}',
  '{"id":1,"op":"STATUS"}',
  '{"id":1,"op":"status\\u0000"}',
  `{"id":1,"op":"${'x'.repeat(100_000)}"}`,
  '{"id":-1,"op":"close"}',
  call('{}'),
  call('{"plugin":1,"method":2,"args":3}'),
  call('{"plugin":"a","method":"echo","args":{}}'),
  call('{"plugin":"a","method":["echo"],"args":[]}'),
  call('{"plugin":null,"method":"echo","args":[]}'),
  call('{"plugin":"a","args":[1]}'),
  call('{"__proto__":{"plugin":"a","method":"echo","args":[1]}}'),
  '{"id":1,"op":"methods","params":{"name":"nobody"}}',
];

let bench: ControlBench;
beforeEach(() => {
  bench = new ControlBench();
});
afterEach(() => bench.close());

async function expectServed(): Promise<void> {
  expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
  expect(({} as { plugin?: unknown }).plugin).toBeUndefined();
}

describe('F58: the control socket', () => {
  test(`drops a connection that sends one of ${GARBAGE.length} kinds of garbage, with a typed answer`, async () => {
    await bench.serve();
    for (const garbage of GARBAGE) {
      const bytes = Buffer.concat([Buffer.from(garbage), Buffer.from('\n')]);
      const what = bytes.toString('latin1', 0, 60);
      await expectNeverHeld(what, async () => {
        const { connection, received, closed } = await bench.open();
        connection.write(bytes);
        await closed;
        expect(JSON.parse(received()), what).toMatchObject({ id: null, error: { code: 'ERR_CONTROL' } });
      });
    }
    await expectServed();
  });

  test.each(NONSENSE.map((each) => [each.slice(0, 60), each]))('answers with a typed error, and goes on: %s', async (_, nonsense) => {
    await bench.serve();
    const { connection, received } = await bench.open();
    connection.write(`${nonsense}\n`);
    await until('an answer', () => received().endsWith('\n'));
    expect(JSON.parse(received())).toMatchObject({ error: { code: expect.stringMatching(/^ERR_/) as string } });
    connection.write('{"id":7,"op":"status"}\n');
    await until('the next one', () => received().split('\n').length === 3);
    expect(JSON.parse(received().split('\n')[1]!)).toEqual({ id: 7, result: { pid: 1, name: null } });
    await expectServed();
  });

  test('takes requests in whatever pieces they come', async () => {
    await bench.serve();
    const { connection, received } = await bench.open();
    connection.setNoDelay(true);
    const texts = [1, 2, 3].map((id) => request(id, 'call', { plugin: 'a', method: 'echo', args: ['世界 🦎'] }));
    for (const byte of Buffer.from(texts.join(''))) await new Promise((sent) => connection.write(Buffer.of(byte), sent));
    await until('three answers', () => received().split('\n').length === 4);
    expect(received()).toBe([1, 2, 3].map((id) => `{"id":${id},"result":"世界 🦎"}\n`).join(''));
  });

  test('survives bytes at random, cut at random, and any JSON for a request', async () => {
    await bench.serve();
    let worst = 0;
    const json = fc.json({ maxDepth: 3 });
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      json.map((text) => Buffer.from(`${text}\n`)),
      fc.tuple(fc.string(), json).map(([op, params]) => Buffer.from(`{"id":1,"op":${JSON.stringify(op)},"params":${params}}\n`)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { minLength: 1, maxLength: 5 }), async (chunks) => {
        const { connection, received } = await bench.open();
        const held = await longestHold(async () => {
          for (const chunk of chunks) connection.write(chunk);
          connection.write('\n');
          await until('an answer', () => received().includes('\n') || connection.destroyed);
        });
        connection.destroy();
        worst = Math.max(worst, held);
        for (const line of received().split('\n').slice(0, -1)) {
          const answer = JSON.parse(line) as { error?: { code: string } };
          if (answer.error !== undefined) expect(answer.error.code).toMatch(/^ERR_/);
        }
      }),
      { seed, numRuns: 150 },
    );
    expect(worst).toBeLessThan(HELD_MS);
    await expectServed();
  });

  const args = (text: string): string => call(`{"plugin":"a","method":"hang","args":[${text}]}`);
  const many = (piece: (i: number) => string, bytes: number): string => {
    const parts: string[] = [];
    for (let i = 0, length = 0; length < bytes; i++) length += parts[parts.push(piece(i)) - 1]!.length + 1;
    return parts.join();
  };
  const MAX = 16 * 2 ** 20;
  test.each<[string, () => string]>([
    ['no JSON', () => 'x'.repeat(2 ** 20)],
    ['too long', () => 'x'.repeat(2 * MAX)],
    ['blank lines', () => '\n'.repeat(2 ** 20)],
    ['a long name of an operation', () => `{"id":1,"op":"${'\\u0000'.repeat(150_000)}"}`],
    ['deep, 40 KB', () => deep(20_000)],
    ['deep, 1 MiB', () => deep(2 ** 19)],
    ['deep, and never closed', () => '['.repeat(MAX)],
    ['deep arguments', () => args(deep(2 ** 19))],
    ['arguments of many empty arrays', () => args(many(() => '[]', MAX))],
    ['arguments of many members', () => args(`{${many((i) => `"k${i}":0`, MAX / 4)}}`)],
    ['arguments of more members than an object may have', () => args(`{${many((i) => `"k${i}":0`, MAX)}}`)],
    ['arguments just under what is parsed in one go', () => args(many((i) => `{"k${i}":0}`, 2 ** 18 - 500))],
    ['one text of 16 MiB', () => args(`"${'x'.repeat(MAX)}"`)],
    ['one text of 16 MiB that is not ASCII', () => args(`"${'é'.repeat(MAX / 2)}"`)],
    ['one text of 16 MiB of escapes', () => args(`"${'\\n'.repeat(MAX / 2)}"`)],
    ['many requests in one write', () => many((i) => `{"id":${i},"op":"status"}`, 2 ** 20).replaceAll('},{', '}\n{')],
  ])('never holds up the event loop for 50 ms over a line: %s', { timeout: 60_000 }, async (what, make) => {
    const { calls } = await bench.serve();
    const bytes = Buffer.from(`${make()}\n`);
    await expectNeverHeld(what, async () => {
      const { connection, received } = await bench.open();
      connection.write(bytes);
      // Its own request goes on after it, or it was hung up on; a call that was taken goes on for as long as its connection does.
      await until('an answer', () => received() !== '' || connection.destroyed || calls.running > 0, 30_000);
      connection.destroy();
      await until('it is over', () => calls.running === 0);
    });
    await expectServed();
  });
});
