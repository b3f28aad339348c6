/** A hostile client loses its own connection and nothing else. (F58) */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../../src/cli/control/client.ts';
import { LogRing } from '../../src/cli/control/log-ring.ts';
import { MAX_CONNECTIONS, MAX_LINE_BYTES, MAX_LONG_CONNECTIONS } from '../../src/cli/control/protocol.ts';
import { ControlServer } from '../../src/cli/control/server.ts';
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

  test('a line is dropped that goes on by a byte now and then', async () => {
    const { calls } = await bench.serve({ stallMs: 300 });
    const { connection, received, closed } = await bench.open();
    connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }));
    const trickle = setInterval(() => connection.write('x'), 30);
    await closed;
    clearInterval(trickle);
    expect(JSON.parse(received())).toMatchObject({ error: { message: expect.stringContaining('not ended') } });
    await eventually(() => expect(calls.running).toBe(0));
  });

  test('a line that takes its time while the answers before it are not read is none of these', async () => {
    await bench.serve({ stallMs: 1_500 });
    const { connection, received } = await bench.open();
    connection.pause();
    const large = request(1, 'call', { plugin: 'a', method: 'echo', args: ['x'.repeat(1_000_000)] });
    connection.write(request(2, 'call', { plugin: 'a', method: 'hang' }) + large.repeat(4) + '{"id":3,');
    // Nothing may happen in this time: it is longer than a line may take.
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    connection.resume();
    connection.write('"op":"status"}\n');
    await eventually(() => expect(received()).toContain('{"id":3,"result":{"pid":1,"name":null}}'));
  });

  test.each([
    ['a call', request(1, 'call', { plugin: 'a', method: 'hang' })],
    ['a log', request(1, 'logs', { follow: true })],
  ])('clients that each follow %s leave places for short operations', async (_, long) => {
    const { ring } = await bench.serve();
    ring.append('info', 'hello');
    let last: Connection | undefined;
    for (let count = 0; count < MAX_CONNECTIONS; count++) {
      last = await bench.open();
      const { connection, received } = last;
      connection.write(long + request(2, 'status'));
      await eventually(() => expect(received()).toContain('"pid":1'));
      if (count >= MAX_LONG_CONNECTIONS) expect(received()).toContain('ERR_CONTROL_BUSY');
      else expect(received()).not.toContain('ERR_CONTROL_BUSY');
    }
    for (let count = 0; count < 20; count++) expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
    await expect(ask(bench.socket, 'call', { plugin: 'a', method: 'hang' })).rejects.toMatchObject({ facts: { code: 'ERR_CONTROL_BUSY' } });
  });

  test('a connection with nothing running makes room for the next, the oldest first', async () => {
    await bench.serve();
    const idle: Connection[] = [];
    for (let count = 0; count < MAX_CONNECTIONS; count++) idle.push(await bench.open());
    for (const { connection } of idle) connection.write('{"id":1');
    expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
    await idle[0]!.closed;
    expect(JSON.parse(idle[0]!.received())).toMatchObject({
      id: null,
      error: { code: 'ERR_CONTROL_BUSY', message: expect.stringContaining('waiting') },
    });
    expect(idle.slice(1).every(({ connection }) => !connection.destroyed)).toBe(true);
  });

  test('connections over the limit are told so while each has something running', async () => {
    const control = await ControlServer.listen(bench.socket);
    control.serve({ target: new Promise(() => {}), ring: new LogRing() });
    for (let count = 0; count < MAX_CONNECTIONS; count++) (await bench.open()).connection.write(request(1, 'status'));
    await eventually(() =>
      expect(ask(bench.socket, 'status', {}, { silenceMs: 200 })).rejects.toMatchObject({ facts: { code: 'ERR_CONTROL_BUSY' } }),
    );
    await control.close();
  });
});
