/**
 * What every command is told besides its own arguments, and the supervisor that it means. Reads no configuration: its place is enough.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { ask } from './control/client.ts';
import { socketPath } from './control/socket-path.ts';

export interface CommonFlags {
  json?: boolean;
}

export interface ClientFlags extends CommonFlags {
  socket?: string;
  config?: string;
}

const CONFIG_FILES = ['', '.config/'].flatMap((folder) => ['ts', 'mjs', 'js', 'json'].map((extension) => `${folder}chameleon.config.${extension}`));
/** For what a healthy supervisor answers at once; long enough for one that is still starting its plugins. */
const SILENCE_MS = 30_000;

/** The socket of the supervisor that these flags mean. */
export function socketOf(flags: ClientFlags): string {
  return socketPath(flags.socket, flags.config === undefined ? nearestBaseDir(process.cwd()) : baseDirOf(path.resolve(flags.config)));
}

/** As config-file.ts has it: the file's folder, or the one above `.config`. */
function baseDirOf(file: string): string {
  const folder = path.dirname(file);
  return path.basename(folder) === '.config' ? path.dirname(folder) : folder;
}

/** The nearest folder upwards that holds a configuration, else `cwd`. Never above the home folder. */
function nearestBaseDir(cwd: string): string {
  for (let folder = cwd; ; folder = path.dirname(folder)) {
    if (CONFIG_FILES.some((file) => existsSync(path.join(folder, file)))) return folder;
    if (folder === homedir() || folder === path.dirname(folder)) return cwd;
  }
}

/** Asks for something that the supervisor knows already. */
export function inquire(flags: ClientFlags, op: string, params: object): Promise<unknown> {
  return ask(socketOf(flags), op, params, { silenceMs: SILENCE_MS });
}

/** Asks for something that takes as long as it takes. */
export function command(flags: ClientFlags, op: string, params: object): Promise<unknown> {
  return ask(socketOf(flags), op, params);
}
