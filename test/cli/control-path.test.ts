/** Where the control socket is, who may reach it, and what stands in its way. */
import { once } from 'node:events';
import { chmodSync, linkSync, lstatSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ask } from '../../src/cli/control/client.ts';
import { ControlServer } from '../../src/cli/control/server.ts';
import { prepareFolder, socketPath } from '../../src/cli/control/socket-path.ts';
import { ControlBench } from './control-bench.ts';

let bench: ControlBench;
beforeEach(() => {
  bench = new ControlBench();
});
afterEach(() => bench.close());

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
