/**
 * The standard streams. Standard output and error stay the plugin's own, read as lines by the supervisor; the console writes
 * structured records instead, so that a message of many lines stays one record. Descriptor 3 is the channel's.
 */
import { fstatSync } from 'node:fs';
import { CHANNEL_FD } from '../src/protocol/messages.ts';
import { format } from './log.ts';
import type { Level, Log } from './log.ts';
import { writeStderr } from './natives.ts';

const LEVELS = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error' } as const satisfies Record<string, Level>;

export function hasChannel(): boolean {
  try {
    // Descriptor 3 is nearly always open; when we were run by hand it is one of Node's own, and no socket. As bigint, since up to Node 22 a
    // socket that was the last to be asked about otherwise keeps `require` and `import` from following links.
    return fstatSync(CHANNEL_FD, { bigint: true }).isSocket() || process.platform === 'win32';
  } catch {
    return false;
  }
}

export function explainItself(): void {
  writeStderr(`This is the runner of chameleon-supervisor: the code inside each plugin's process.
It is started by the supervisor, with its channel on descriptor ${CHANNEL_FD}, which is not there: it was run by hand.
To run plugins:  chameleon-supervisor start --plugin-dir ./plugins
To call one:     chameleon-supervisor call hello greet '["world"]'`);
}

/** `console.table`, `trace`, `assert` and the like write through these. */
export function redirectConsole(log: Log): void {
  for (const [name, level] of Object.entries(LEVELS)) {
    const write = (...args: unknown[]): void => log.record(level, format(args));
    Object.defineProperty(console, name, { value: write, writable: true, configurable: true, enumerable: true });
  }
}
