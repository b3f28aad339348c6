/**
 * What every command is told besides its own arguments, and the supervisor that it means. Reads no configuration: its place is enough.
 */
import path from 'node:path';
import { ask } from './control/client.ts';
import { socketPath } from './control/socket-path.ts';
import { baseDirOf, findConfig, refuseForeign } from './find-config.ts';

export interface CommonFlags {
  json?: boolean;
}

export interface ClientFlags extends CommonFlags {
  socket?: string;
  config?: string;
}

/** For what a healthy supervisor answers at once; long enough for one that is still starting its plugins. */
const SILENCE_MS = 30_000;

/** The socket of the supervisor that these flags mean. */
export async function socketOf(flags: ClientFlags): Promise<string> {
  if (flags.socket !== undefined) return socketPath(flags.socket, process.cwd());
  return socketPath(undefined, flags.config === undefined ? await nearestBaseDir(process.cwd()) : baseDirOf(path.resolve(flags.config)));
}

/** The folder of the nearest configuration; `cwd` where there is none that a supervisor of this user could run on. */
async function nearestBaseDir(cwd: string): Promise<string> {
  try {
    const file = await findConfig(cwd);
    if (file === null) return cwd;
    await refuseForeign(file);
    return baseDirOf(file);
  } catch {
    return cwd;
  }
}

/** Asks for something that the supervisor knows already. */
export async function inquire(flags: ClientFlags, op: string, params: object): Promise<unknown> {
  return ask(await socketOf(flags), op, params, { silenceMs: SILENCE_MS });
}

/** Asks for something that takes as long as it takes. */
export async function command(flags: ClientFlags, op: string, params: object): Promise<unknown> {
  return ask(await socketOf(flags), op, params);
}
