/** The control socket against real connections; behind it stands a small object with a supervisor's methods. */
import { once } from 'node:events';
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ask, converse } from '../../src/cli/control/client.ts';
import { LogRing } from '../../src/cli/control/log-ring.ts';
import type { ControlTarget } from '../../src/cli/control/operations.ts';
import { LineSplitter, LOG_RECORDS, MAX_CONNECTIONS, MAX_LINE_BYTES, MAX_RUNNING } from '../../src/cli/control/protocol.ts';
import { ControlServer } from '../../src/cli/control/server.ts';
import { prepareFolder, socketPath } from '../../src/cli/control/socket-path.ts';
import { PluginNotFoundError } from '../../src/errors.ts';

let folder: string;
let socket: string;
const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'chameleon-control-'));
  socket = path.join(folder, 'control.sock');
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

interface Calls {
  running: number;
  aborted: number;
}

function target(calls: Calls): ControlTarget {
  const methods = {
    status: (name?: string) => ({ pid: 1, name: name ?? null }),
    methods: (name: string) => {
      throw new PluginNotFoundError(name, ['hello']);
    },
    call: (_plugin: string, method: string, args: unknown[], { signal }: { signal: AbortSignal }) => {
      if (method === 'echo') return Promise.resolve(args[0]);
      calls.running++;
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          calls.running--;
          calls.aborted++;
          reject(new Error('aborted'));
        }),
      );
    },
  };
  return methods as unknown as ControlTarget;
}

async function serve(options: { stallMs?: number; ring?: LogRing } = {}): Promise<{ control: ControlServer; calls: Calls; ring: LogRing }> {
  const calls = { running: 0, aborted: 0 };
  const ring = options.ring ?? new LogRing();
  const control = await ControlServer.listen(socket);
  control.serve({ target: Promise.resolve(target(calls)), ring, ...options });
  cleanups.push(() => control.close());
  return { control, calls, ring };
}

async function raw(): Promise<{ connection: Socket; received: () => string; closed: Promise<unknown> }> {
  const connection = connect(socket);
  const closed = new Promise((resolve) => connection.once('close', resolve));
  const chunks: Buffer[] = [];
  connection.on('data', (chunk: Buffer) => chunks.push(chunk));
  connection.on('error', () => {});
  cleanups.push(() => connection.destroy());
  await once(connection, 'connect');
  return { connection, received: () => Buffer.concat(chunks).toString(), closed };
}

const request = (id: number, op: string, params: object = {}): string => `${JSON.stringify({ id, op, params })}\n`;

describe('requests', () => {
  test('an answer comes back, and an error with its code and facts', async () => {
    await serve();
    expect(await ask(socket, 'status', { name: 'x' })).toEqual({ pid: 1, name: 'x' });
    await expect(ask(socket, 'methods', { name: 'helo' })).rejects.toMatchObject({
      facts: { code: 'ERR_PLUGIN_NOT_FOUND', plugin: 'helo', available: ['hello'] },
    });
  });

  test('an operation or parameters that are not there are refused, and the connection goes on', async () => {
    await serve();
    const { connection, received } = await raw();
    connection.write(
      request(1, 'explode') +
        request(2, 'call', { plugin: 'hello' }) +
        request(3, 'status', { name: 7 }) +
        request(4, '__proto__') +
        request(5, 'status'),
    );
    await vi.waitFor(() => expect(received().trim().split('\n')).toHaveLength(5));
    const answers = received()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers.map(({ error }) => error?.code)).toEqual(['ERR_USAGE', 'ERR_USAGE', 'ERR_USAGE', 'ERR_USAGE', undefined]);
  });

  test('requests of one connection run side by side and are answered by id', async () => {
    await serve();
    const { connection, received } = await raw();
    connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }) + request(2, 'call', { plugin: 'a', method: 'echo', args: ['你好'] }));
    await vi.waitFor(() => expect(received()).toBe('{"id":2,"result":"你好"}\n'));
  });

  test('a client that hangs up aborts its running calls', async () => {
    const { calls } = await serve();
    const { connection } = await raw();
    connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }) + request(2, 'call', { plugin: 'a', method: 'hang' }));
    await vi.waitFor(() => expect(calls.running).toBe(2));
    connection.destroy();
    await vi.waitFor(() => expect(calls).toEqual({ running: 0, aborted: 2 }));
  });

  test('arguments and result of ten megabytes come through', async () => {
    await serve();
    const text = 'é'.repeat(5 * 1024 * 1024);
    expect(await ask(socket, 'call', { plugin: 'a', method: 'echo', args: [text] })).toBe(text);
  });

  test('more requests at once than are allowed are refused, the others go on', async () => {
    const { calls } = await serve();
    const { connection, received } = await raw();
    for (let id = 0; id <= MAX_RUNNING; id++) connection.write(request(id, 'call', { plugin: 'a', method: 'hang' }));
    await vi.waitFor(() => expect(JSON.parse(received())).toMatchObject({ id: MAX_RUNNING, error: { code: 'ERR_CONTROL_BUSY' } }));
    expect(calls.running).toBe(MAX_RUNNING);
  });

  test('closing answers what runs before it hangs up', async () => {
    const { control } = await serve();
    const { connection, received, closed } = await raw();
    connection.write(request(1, 'call', { plugin: 'a', method: 'echo', args: [1] }));
    await vi.waitFor(() => expect(received()).not.toBe(''));
    await control.close();
    await closed;
    expect(received()).toBe('{"id":1,"result":1}\n');
    expect(existsSync(socket)).toBe(false);
  });
});

describe('a hostile client loses its own connection and nothing else', () => {
  test.each([
    ['no JSON', 'GET / HTTP/1.1\r\n\r\n'],
    ['JSON that is no object', '[1,2]\n'],
    ['no id', '{"op":"status"}\n'],
    ['no operation', '{"id":1}\n'],
    ['parameters that are no object', '{"id":1,"op":"status","params":[]}\n'],
    ['bytes', Buffer.concat([Buffer.from([0, 255, 254, 1, 2, 3]), Buffer.from('\n')])],
  ])('%s', async (_, bytes) => {
    const { calls } = await serve();
    const other = await raw();
    other.connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }));
    const { connection, received, closed } = await raw();
    connection.write(bytes);
    await closed;
    expect(JSON.parse(received())).toMatchObject({ id: null, error: { code: 'ERR_CONTROL' } });
    expect(await ask(socket, 'status', {})).toEqual({ pid: 1, name: null });
    expect(calls.running).toBe(1);
  });

  test('a line over the limit', async () => {
    await serve();
    const { connection, closed } = await raw();
    const mebibyte = Buffer.alloc(1024 * 1024, 0x61);
    let sent = 0;
    connection.on('drain', function more() {
      while (!connection.destroyed && sent < 3 * MAX_LINE_BYTES && connection.write(mebibyte)) sent += mebibyte.length;
    });
    connection.emit('drain');
    await closed;
    expect(sent).toBeLessThan(2 * MAX_LINE_BYTES);
    expect(await ask(socket, 'status', {})).toEqual({ pid: 1, name: null });
  });

  test('half a line, and silence', async () => {
    const { calls } = await serve({ stallMs: 100 });
    const { connection, received, closed } = await raw();
    connection.write(`${request(1, 'call', { plugin: 'a', method: 'hang' })}{"id":2,`);
    await closed;
    expect(JSON.parse(received())).toMatchObject({ error: { message: expect.stringContaining('not ended') } });
    await vi.waitFor(() => expect(calls.running).toBe(0));
  });

  test('silence; a call that takes its time is none', async () => {
    const { calls } = await serve({ stallMs: 100 });
    const waiting = await raw();
    waiting.connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }));
    const silent = await raw();
    await silent.closed;
    const later = await raw();
    await later.closed;
    expect(calls).toEqual({ running: 1, aborted: 0 });
  });

  test('connections over the limit are told so', async () => {
    await serve();
    for (let count = 0; count < MAX_CONNECTIONS; count++) {
      const { connection, received } = await raw();
      connection.write(request(1, 'call', { plugin: 'a', method: 'hang' }) + request(2, 'status'));
      await vi.waitFor(() => expect(received()).not.toBe(''));
    }
    await expect(ask(socket, 'status', {})).rejects.toMatchObject({ facts: { code: 'ERR_CONTROL_BUSY' } });
    await cleanups.pop()!();
    await vi.waitFor(async () => expect(await ask(socket, 'status', {})).toEqual({ pid: 1, name: null }));
  });
});

describe('logs', () => {
  const records = async (params: object): Promise<unknown[]> => {
    const found: unknown[] = [];
    for await (const answer of converse(socket, 'logs', params)) if ('record' in answer) found.push(answer.record.message);
    return found;
  };

  test('the latest records, of everything or of one plugin', async () => {
    const { ring } = await serve();
    ring.append('info', 'one', { plugin: 'a' });
    ring.append('warn', 'two', { plugin: 'b' });
    ring.append('error', 'three');
    expect(await records({})).toEqual(['one', 'two', 'three']);
    expect(await records({ name: 'b' })).toEqual(['two']);
  });

  test('a follower gets what comes, and ends with the supervisor', async () => {
    const { ring, control } = await serve();
    ring.append('info', 'before');
    const seen = records({ follow: true });
    const { connection, received } = await raw();
    connection.write(request(1, 'logs', { follow: true }));
    await vi.waitFor(() => expect(received()).toContain('before'));
    ring.append('info', 'after');
    await vi.waitFor(() => expect(received()).toContain('after'));
    await control.close();
    expect(await seen).toEqual(['before', 'after']);
  });

  test('a reader that does not read loses records, is told how many, and never holds up a call or the memory', async () => {
    const { ring } = await serve();
    const slow = connect(socket);
    cleanups.push(() => slow.destroy());
    slow.pause();
    slow.write(request(1, 'logs', { follow: true }));
    const total = 20 * LOG_RECORDS;
    for (let index = 0; index < total; index++) {
      ring.append('info', `${index} ${'x'.repeat(1000)}`);
      if (index % 1000 === 0) expect(await ask(socket, 'status', {})).toEqual({ pid: 1, name: null });
    }
    const lines: string[] = [];
    const splitter = new LineSplitter();
    slow.on('data', (chunk: Buffer) => lines.push(...splitter.push(chunk)));
    slow.resume();
    const answers = (): { record?: unknown; lost?: number }[] => lines.map((line) => JSON.parse(line));
    await vi.waitFor(() => {
      const got = answers();
      expect(got.filter(({ record }) => record).length + got.reduce((sum, { lost = 0 }) => sum + lost, 0)).toBe(total);
    });
    expect(answers().some(({ lost = 0 }) => lost > 10 * LOG_RECORDS)).toBe(true);
  });

  test('records that JSON cannot carry, or that are huge, are kept as far as they can be', async () => {
    const { ring } = await serve();
    const cyclic: Record<string, unknown> = { plugin: 'a' };
    cyclic.self = cyclic;
    ring.append('info', 'cyclic', cyclic);
    ring.append('info', 'y'.repeat(1_000_000), { plugin: 'a' });
    const [first, second] = await records({ name: 'a' });
    expect(first).toBe('cyclic');
    expect(String(second).length).toBeLessThan(10_000);
  });
});

describe('the path of the socket', () => {
  test('a live supervisor is respected, what a dead one left is replaced', async () => {
    const stale = createServer().listen(socket);
    await once(stale, 'listening');
    await expect(ControlServer.listen(socket)).rejects.toMatchObject({ facts: { code: 'ERR_SUPERVISOR_RUNNING' } });
    const copy = `${socket}.kept`;
    // A socket's file outlives its owner when that had no time to remove it.
    linkSync(socket, copy);
    await new Promise((resolve) => stale.close(resolve));
    renameSync(copy, socket);
    await expect(ask(socket, 'status', {})).rejects.toMatchObject({ facts: { code: 'ERR_NO_SUPERVISOR' } });
    await serve();
    expect(await ask(socket, 'status', {})).toEqual({ pid: 1, name: null });
  });

  test('a file that is no socket is left alone', async () => {
    writeFileSync(socket, 'precious');
    await expect(ControlServer.listen(socket)).rejects.toMatchObject({ facts: { code: 'ERR_USAGE' } });
    expect(statSync(socket).size).toBe(8);
  });

  test('the socket is for its user alone, whatever the umask', async () => {
    const mask = process.umask(0);
    try {
      prepareFolder(path.join(folder, '.chameleon', 'control.sock'), false);
      await serve();
    } finally {
      process.umask(mask);
    }
    expect(lstatSync(path.join(folder, '.chameleon')).mode & 0o777).toBe(0o700);
    expect(lstatSync(socket).mode & 0o777).toBe(0o600);
  });

  test('a folder that others can write to is closed, or refused where the user chose it', () => {
    const open = path.join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    expect(() => prepareFolder(path.join(open, 'x.sock'), true)).toThrow('other users can write to it');
    prepareFolder(path.join(open, 'x.sock'), false);
    expect(statSync(open).mode & 0o777).toBe(0o700);
  });

  test('beside the configuration, or under XDG_RUNTIME_DIR where that exists', () => {
    expect(socketPath(undefined, folder, {})).toBe(path.join(folder, '.chameleon/control.sock'));
    expect(socketPath(undefined, folder, { XDG_RUNTIME_DIR: path.join(folder, 'missing') })).toBe(path.join(folder, '.chameleon/control.sock'));
    expect(socketPath(undefined, folder, { XDG_RUNTIME_DIR: folder })).toMatch(
      new RegExp(`^${folder}/chameleon/chameleon-control-\\w+-[0-9a-f]{8}\\.sock$`),
    );
    expect(socketPath('a.sock', folder, { XDG_RUNTIME_DIR: folder })).toBe(path.resolve('a.sock'));
  });

  test('a path that the system would cut is refused before it is tried', () => {
    expect(() => socketPath(`/tmp/${'x'.repeat(103)}`, folder)).toThrow('takes 108 bytes');
    expect(socketPath(`/tmp/${'x'.repeat(102)}`, folder)).toHaveLength(107);
  });
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
