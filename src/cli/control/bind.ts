/**
 * Takes the socket's path: a live supervisor there is respected, what a dead one left is replaced, anything else is left alone.
 *
 * 1. At the path is never a socket that does not listen yet, and two that start at once never take it from each other: the socket is made
 *    under a name of its own, and linked.
 * 2. What is at the path is removed only if it is what was put there. Node removes the name that it was given, whatever that is by then; so
 *    it is given another.
 */
import { randomInt } from 'node:crypto';
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import path from 'node:path';
import { CliError, usageError } from '../errors.ts';

const ATTEMPTS = 5;
const MAX_DRAFT_NAME = 12;

/** Binds with mode 0600; resolves with the identity of the socket's file. Throws `ERR_SUPERVISOR_RUNNING` when a supervisor answers there. */
export async function bind(server: Server, socket: string): Promise<string> {
  await clear(socket);
  const draft = await listenOnDraft(server, socket);
  try {
    for (let attempt = 1; !put(draft, socket); attempt++) {
      if (attempt === ATTEMPTS) throw cannotListen(socket, 'it comes and goes');
      await clear(socket);
    }
    const identity = identityOf(socket);
    if (identity === null) throw cannotListen(socket, 'it was removed');
    return identity;
  } catch (error) {
    server.close();
    throw error;
  }
}

/** Removes the socket at `socket` if it is still the one of this identity. */
export function remove(socket: string, identity: string): void {
  try {
    if (identityOf(socket) === identity) unlinkSync(socket);
  } catch {
    // Another kind of thing is there, or the folder is gone: neither is ours.
  }
}

/** Removes what a dead supervisor left. */
async function clear(socket: string): Promise<void> {
  const before = identityOf(socket);
  if (before === null) return;
  if (await isLive(socket)) throw running(socket);
  // The same file as the one that did not answer: another supervisor may have come in between.
  if (identityOf(socket) === before) unlinkSync(socket);
}

async function listenOnDraft(server: Server, socket: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const draft = draftOf(socket);
    try {
      await listen(server, draft);
      return draft;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === ATTEMPTS) throw cannotListen(socket, (error as Error).message);
    }
  }
}

/** Another name in the same folder, no longer than the socket's: the system allows no longer path. */
function draftOf(socket: string): string {
  const length = Math.min(path.basename(socket).length, MAX_DRAFT_NAME);
  const letters = Array.from({ length }, () => randomInt(36).toString(36)).join('');
  return letters === path.basename(socket) ? draftOf(socket) : path.join(path.dirname(socket), letters);
}

/** Keeps 1. False when something is there already. */
function put(draft: string, socket: string): boolean {
  try {
    linkSync(draft, socket);
    unlinkSync(draft);
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // Some file systems know no links.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code ?? '')) throw cannotListen(socket, message);
    if (identityOf(socket) !== null) return false;
    renameSync(draft, socket);
    return true;
  }
}

function cannotListen(socket: string, why: string): CliError {
  return new CliError({ code: 'ERR_CONTROL', message: `cannot listen on ${socket}: ${why}` });
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
