/** Where the control socket is, who may reach it, and what stands in its way. */
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../../src/cli/control/client.ts';
import { ControlServer } from '../../src/cli/control/server.ts';
import { prepareFolder, socketPath } from '../../src/cli/control/socket-path.ts';
import type { CliError } from '../../src/cli/errors.ts';
import { testWith } from '../helpers/parts.ts';
import { ControlBench } from './control-bench.ts';

const testAsRoot = testWith('right to change owners (root)', process.geteuid?.() === 0);
const servers: Server[] = [];

let bench: ControlBench;
beforeEach(() => {
  bench = new ControlBench();
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await bench.close();
});

test('a live supervisor is respected, what a dead one left is replaced', async () => {
  const stale = createServer().listen(bench.socket);
  await once(stale, 'listening');
  await expect(ControlServer.listen(bench.socket)).rejects.toMatchObject({ facts: { code: 'ERR_SUPERVISOR_RUNNING' } });
  const copy = `${bench.socket}.kept`;
  // A socket's file outlives its owner when that had no time to remove it.
  linkSync(bench.socket, copy);
  await new Promise((resolve) => stale.close(resolve));
  renameSync(copy, bench.socket);
  await expect(ask(bench.socket, 'status', {})).rejects.toMatchObject({ facts: { code: 'ERR_NO_SUPERVISOR' } });
  await bench.serve();
  expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
});

test('a supervisor that stops leaves the socket of the one that took its path, by itself or by its end', async () => {
  const first = await ControlServer.listen(bench.socket);
  rmSync(bench.socket);
  const { control } = await bench.serve();
  await first.close();
  expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
  await control.close();
  expect(readdirSync(bench.folder)).toEqual([]);
});

test('of many that start at once one has the socket, and nothing else is left in its folder', async () => {
  const tries = await Promise.allSettled(Array.from({ length: 10 }, () => ControlServer.listen(bench.socket)));
  const listening = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  expect(listening).toHaveLength(1);
  expect(readdirSync(bench.folder)).toEqual([path.basename(bench.socket)]);
  await listening[0]!.close();
  expect(readdirSync(bench.folder)).toEqual([]);
});

test('a path as long as the system allows is listened on', async () => {
  const socket = path.join(bench.folder, 'x'.repeat(107 - bench.folder.length - 1));
  const control = await ControlServer.listen(socket);
  expect(readdirSync(bench.folder)).toEqual([path.basename(socket)]);
  await control.close();
});

describe('a client sends nothing to a socket', () => {
  const refused = (socket: string): Promise<unknown> =>
    ask(socket, 'call', { plugin: 'a', method: 'b', args: ['secret'] }).catch((error: CliError) => error.facts);

  async function listening(socket: string): Promise<() => string> {
    let received = '';
    const server = createServer((connection) => connection.on('data', (data) => (received += String(data))));
    await once(server.listen(socket), 'listening');
    servers.push(server);
    return () => received;
  }

  testAsRoot('that belongs to another user', async () => {
    const received = await listening(bench.socket);
    chownSync(bench.socket, 65534, 65534);
    expect(await refused(bench.socket)).toMatchObject({
      code: 'ERR_CONTROL_FOREIGN',
      message: expect.stringContaining('control.sock belongs to user 65534'),
    });
    expect(received()).toBe('');
  });

  testAsRoot('in a folder of another user', async () => {
    const received = await listening(bench.socket);
    chownSync(bench.folder, 65534, 65534);
    expect(await refused(bench.socket)).toMatchObject({ code: 'ERR_CONTROL_FOREIGN', message: expect.stringContaining('belongs to user 65534') });
    expect(received()).toBe('');
  });

  test('in a folder that others can write to, but for one with the sticky bit', async () => {
    await bench.serve();
    chmodSync(bench.folder, 0o777);
    expect(await refused(bench.socket)).toMatchObject({ code: 'ERR_CONTROL_FOREIGN', message: expect.stringContaining('other users can write to') });
    chmodSync(bench.folder, 0o1777);
    expect(await ask(bench.socket, 'status', {})).toEqual({ pid: 1, name: null });
  });

  testAsRoot('that a link of another user leads to, or that of another user which a link leads to', async () => {
    await bench.serve();
    const link = path.join(bench.folder, 'link');
    symlinkSync(bench.socket, link);
    expect(await ask(link, 'status', {})).toEqual({ pid: 1, name: null });
    lchownSync(link, 65534, 65534);
    expect(await refused(link)).toMatchObject({ code: 'ERR_CONTROL_FOREIGN' });
    lchownSync(link, 0, 0);
    chownSync(bench.socket, 65534, 65534);
    expect(await refused(link)).toMatchObject({ code: 'ERR_CONTROL_FOREIGN' });
  });
});

test('a file that is no socket is left alone', async () => {
  writeFileSync(bench.socket, 'precious');
  await expect(ControlServer.listen(bench.socket)).rejects.toMatchObject({ facts: { code: 'ERR_USAGE' } });
  expect(statSync(bench.socket).size).toBe(8);
});

test('the socket is for its user alone, whatever the umask', async () => {
  const mask = process.umask(0);
  try {
    prepareFolder(path.join(bench.folder, '.chameleon', 'control.sock'), false);
    await bench.serve();
  } finally {
    process.umask(mask);
  }
  expect(lstatSync(path.join(bench.folder, '.chameleon')).mode & 0o777).toBe(0o700);
  expect(lstatSync(bench.socket).mode & 0o777).toBe(0o600);
});

test('a folder that others can write to is closed, or refused where the user chose it', () => {
  const open = path.join(bench.folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  expect(() => prepareFolder(path.join(open, 'x.sock'), true)).toThrow('other users can write to it');
  prepareFolder(path.join(open, 'x.sock'), false);
  expect(statSync(open).mode & 0o777).toBe(0o700);
});

test('beside the configuration, or under XDG_RUNTIME_DIR where that exists', () => {
  expect(socketPath(undefined, bench.folder, {})).toBe(path.join(bench.folder, '.chameleon/control.sock'));
  expect(socketPath(undefined, bench.folder, { XDG_RUNTIME_DIR: path.join(bench.folder, 'missing') })).toBe(
    path.join(bench.folder, '.chameleon/control.sock'),
  );
  expect(socketPath(undefined, bench.folder, { XDG_RUNTIME_DIR: bench.folder })).toMatch(
    new RegExp(`^${bench.folder}/chameleon/chameleon-control-\\w+-[0-9a-f]{8}\\.sock$`),
  );
  expect(socketPath('a.sock', bench.folder, { XDG_RUNTIME_DIR: bench.folder })).toBe(path.resolve('a.sock'));
});

test('a path that the system would cut is refused before it is tried', () => {
  expect(() => socketPath(`/tmp/${'x'.repeat(103)}`, bench.folder)).toThrow('takes 108 bytes');
  expect(socketPath(`/tmp/${'x'.repeat(102)}`, bench.folder)).toHaveLength(107);
});
