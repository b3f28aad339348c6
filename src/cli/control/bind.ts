/**
 * Takes the socket's path: a live supervisor there is respected, what a dead one left is replaced, anything else is left alone.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { CliError, usageError } from '../errors.ts';

const ATTEMPTS = 5;

/** Binds with mode 0600. Throws `ERR_SUPERVISOR_RUNNING` when a supervisor answers there. */
export async function bind(server: Server, socket: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const before = identityOf(socket);
    if (before !== null && (await isLive(socket))) throw running(socket);
    // The same file as the one that did not answer: another supervisor may have come in between.
    if (before !== null && identityOf(socket) === before) unlinkSync(socket);
    try {
      return await listen(server, socket);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === ATTEMPTS) {
        throw new CliError({ code: 'ERR_CONTROL', message: `cannot listen on ${socket}: ${(error as Error).message}` });
      }
    }
  }
}

function listen(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    // The system makes the file inside `listen`, so there is no moment in which others may open it.
    const mask = process.umask(0o177);
    try {
      server.listen(socket);
    } finally {
      process.umask(mask);
    }
  });
}

/** Whether somebody accepts connections there. */
function isLive(socket: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      // Its queue of connections is full: busy, so alive.
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(usageError(`cannot tell whether a supervisor runs on ${socket}: ${error.message}`));
    });
  });
}

/** Which file is there, if any. An inode's number is used again at once, so its time of change belongs to it. */
function identityOf(socket: string): string | null {
  const stats = lstatSync(socket, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return null;
  if (!stats.isSocket()) throw usageError(`${socket} exists and is no socket`, 'remove it, or choose another path with --socket PATH');
  return `${stats.dev}:${stats.ino}:${stats.ctimeNs}`;
}

function running(socket: string): CliError {
  return new CliError({
    code: 'ERR_SUPERVISOR_RUNNING',
    message: `a supervisor is running on ${socket}`,
    socket,
    hint: 'stop it first, or start this one with another --socket PATH',
  });
}
