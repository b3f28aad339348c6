/**
 * Where the control socket is, and the folder it is in. Both ends compute the same path from the same words.
 */
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { CliError, usageError } from '../errors.ts';

/** The kernel cuts longer paths without a word. */
const MAX_PATH_BYTES = process.platform === 'darwin' ? 103 : 107;

/** `--socket`, else one path for each configuration folder, under `$XDG_RUNTIME_DIR` where there is one. */
export function socketPath(flag: string | undefined, baseDir: string, env: NodeJS.ProcessEnv = process.env): string {
  const chosen = flag === undefined ? defaultPath(realpathOr(baseDir), env) : path.resolve(flag);
  const bytes = Buffer.byteLength(chosen);
  if (bytes > MAX_PATH_BYTES) {
    throw usageError(
      `the socket's path takes ${bytes} bytes, the system allows ${MAX_PATH_BYTES}: ${chosen}`,
      'choose a shorter one with --socket PATH',
    );
  }
  return chosen;
}

function defaultPath(baseDir: string, env: NodeJS.ProcessEnv): string {
  const runtimeDir = env.XDG_RUNTIME_DIR;
  if (!runtimeDir || !isFolder(runtimeDir)) return path.join(baseDir, '.chameleon', 'control.sock');
  const hash = createHash('sha256').update(baseDir).digest('hex').slice(0, 8);
  const name = path
    .basename(baseDir)
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .slice(0, 32);
  return path.join(runtimeDir, 'chameleon', `${name}-${hash}.sock`);
}

/**
 * Makes the socket's folder, 0700. One that exists must be safe: its owner is this user or root, and nobody else can put a
 * socket in the place of ours. The folder of a default path is closed to others; one that the user chose stays as it is.
 */
export function prepareFolder(socket: string, chosenByUser: boolean): void {
  const folder = path.dirname(socket);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CliError({ code: 'ERR_CONTROL', message: `cannot make the socket's folder: ${(error as Error).message}` });
  }
  // Not followed: a link in a shared folder could lead anywhere.
  const stats = chosenByUser ? statSync(folder) : lstatSync(folder);
  const uid = process.getuid?.() ?? stats.uid;
  if (!stats.isDirectory()) throw unsafe(folder, 'it is no folder');
  if (stats.uid !== uid && !(chosenByUser && stats.uid === 0)) throw unsafe(folder, `its owner is user ${stats.uid}, not user ${uid}`);
  if (!chosenByUser && (stats.mode & 0o077) !== 0) chmodSync(folder, 0o700);
  const sticky = (stats.mode & 0o1000) !== 0;
  if (chosenByUser && (stats.mode & 0o022) !== 0 && !sticky) throw unsafe(folder, 'other users can write to it');
}

/** Before a connection: throws unless socket and folder belong to this user or root, and nobody else can put another socket there. */
export function refuseForeignSocket(socket: string): void {
  const folder = path.dirname(socket);
  const uid = process.geteuid?.();
  if (uid === undefined) return;
  for (const [what, stats] of [folder, socket].flatMap((each) => [lstatSync, statSync].map((look) => [each, lookAt(look, each)] as const))) {
    if (stats === undefined) return;
    if (stats.uid !== uid && stats.uid !== 0) throw foreign(socket, `${what} belongs to user ${stats.uid}, not to user ${uid}`);
    const isOpen = what === folder && !stats.isSymbolicLink() && (stats.mode & 0o022) !== 0 && (stats.mode & 0o1000) === 0;
    if (isOpen) throw foreign(socket, `other users can write to ${folder}`);
  }
}

function lookAt(look: typeof lstatSync, file: string): Stats | undefined {
  try {
    return look(file);
  } catch {
    return undefined;
  }
}

function foreign(socket: string, why: string): CliError {
  return new CliError({
    code: 'ERR_CONTROL_FOREIGN',
    message: `the program that listens on ${socket} may be another user's: ${why}`,
    socket,
    hint: 'run the command as the user that runs the supervisor, or name its socket with --socket PATH',
  });
}

function unsafe(folder: string, why: string): CliError {
  return usageError(`${folder} is not safe for a control socket: ${why}`, 'choose another folder with --socket PATH');
}

function isFolder(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A folder reached through a link is the same folder. */
function realpathOr(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return path.resolve(folder);
  }
}
