/** A hostile client loses its own connection and nothing else. (F58) */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../../src/cli/control/client.ts';
import { MAX_CONNECTIONS, MAX_LINE_BYTES } from '../../src/cli/control/protocol.ts';
import { type Connection, ControlBench, request } from './control-bench.ts';
import { eventually } from './run.ts';

let bench: ControlBench;
beforeEach(() => {
  bench = new ControlBench();
});
afterEach(() => bench.close());

describe('a hostile client loses its own connection and nothing else', () => {
  test.each([
    ['no JSON', 'GET / HTTP/1.1\r\n\r\n'],
    ['JSON that is no object', '[1,2]\n'],
    ['no id', '{"op":"status"}\n'],
    ['no operation', '{"id":1}\n'],
    ['parameters that are no object', '{"id":1,"op":"status","params":[]}\n'],
    ['bytes', Buffer.concat([Buffer.from([0, 255, 254, 1, 2, 3]), Buffer.from('\n')])],
  ])('%s', async (_, bytes) => {
    const { calls } = await bench.serve();
    const other = await bench.open();
    other.connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }));
    const { connection, received, closed } = await bench.open();
    connection.write(bytes);
    await closed;
    expect(JSON.parse(received())).toMatchObject({ id: null, error: { code: 'ERR_CONTROL' } });
    expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
    expect(calls.running).toBe(1);
  });

  test('a line over the limit', async () => {
    await bench.serve();
    const { connection, closed } = await bench.open();
    const mebibyte = Buffer.alloc(1024 * 1024, 0x61);
    let sent = 0;
    connection.on('drain', function more() {
      while (!connection.destroyed && sent < 3 * MAX_LINE_BYTES && connection.write(mebibyte)) sent += mebibyte.length;
    });
    connection.emit('drain');
    await closed;
    expect(sent).toBeLessThan(2 * MAX_LINE_BYTES);
    expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
  });

  test('half a line, and silence', async () => {
    const { calls } = await bench.serve({ stallMs: 100 });
    const { connection, received, closed } = await bench.open();
    connection.write(`${request(1, 'call', { plugin: 'a', method: 'hang' })}{"id":2,`);
    await closed;
    expect(JSON.parse(received())).toMatchObject({ error: { message: expect.stringContaining('not ended') } });
    await eventually(() => expect(calls.running).toBe(0));
  });

  test('silence; a call that takes its time is none', async () => {
    const { calls } = await bench.serve({ stallMs: 100 });
    const waiting = await bench.open();
    waiting.connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }));
    const silent = await bench.open();
    await silent.closed;
    const later = await bench.open();
    await later.closed;
    expect(calls).toEqual({ running: 1, aborted: 0 });
  });

  test('connections over the limit are told so', async () => {
    await bench.serve();
    let last: Connection | undefined;
    for (let count = 0; count < MAX_CONNECTIONS; count++) {
      last = await bench.open();
      const { connection, received } = last;
      connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }) + request(2, 'status'));
      await eventually(() => expect(received()).not.toBe(''));
    }
    await expect(ask(bench.socket, 'status', {})).rejects.toMatchObject({ facts: { code: 'ERR_CONTROL_BUSY' } });
    last!.connection.destroy();
    await eventually(async () => expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null }));
  });
});
