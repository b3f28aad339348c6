/**
 * The standard streams. Standard output and error stay the plugin's own, read as lines by the supervisor; the console writes
 * structured records instead, so that a message of many lines stays one record. Descriptor 3 is the channel's.
 */
import { closeSync, fstatSync } from 'node:fs';
import { CHANNEL_FD, CLOSE_DESCRIPTORS } from '../src/protocol/messages.ts';
import { format } from './log.ts';
import type { Level, Log } from './log.ts';
import { writeStderr } from './natives.ts';

const LEVELS = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error' } as const satisfies Record<string, Level>;

/** Closes the descriptors that the supervisor has inherited itself and could not keep from this process. */
export function closeInherited(): void {
  const list = process.env[CLOSE_DESCRIPTORS];
  if (list === undefined) return;
  delete process.env[CLOSE_DESCRIPTORS];
  for (const fd of list.split(',')) {
    try {
      closeSync(Number(fd));
    } catch {
      // It is closed already.
    }
  }
}

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

/** A plugin's own processes that run this file, for want of another one, have Node's channel to their parent. */
export function explainFork(): void {
  writeStderr(`[chameleon] a plugin started the runner of plugins again: cluster.fork() and fork(process.argv[1]) run it. \
Name a file of the plugin: cluster.setupPrimary({ exec: '/path/to/worker.js' }), or fork('/path/to/worker.js')`);
}

/**
 * Keeps descriptors 1 and 2 blocking. Node opens them as non-blocking when they are first used, which other writers to them share:
 * `fs.writeSync(1, …)` and processes that inherit them would fail with EAGAIN while the supervisor is busy.
 */
export function blockOutput(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const own = Object.getOwnPropertyDescriptor(process, name);
    const open = own?.get as (() => NodeJS.WriteStream & { _handle?: { setBlocking?(isBlocking: boolean): void } }) | undefined;
    if (open === undefined) continue;
    let stream: ReturnType<typeof open> | null = null;
    const get = (): NodeJS.WriteStream => {
      if (stream === null) {
        stream = open.call(process);
        stream._handle?.setBlocking?.(true);
      }
      return stream;
    };
    Object.defineProperty(process, name, { ...own, get });
  }
}

/** `console.table`, `trace`, `assert` and the like write through these. */
export function redirectConsole(log: Log): void {
  for (const [name, level] of Object.entries(LEVELS)) {
    const write = (...args: unknown[]): void => log.record(level, format(args));
    Object.defineProperty(console, name, { value: write, writable: true, configurable: true, enumerable: true });
  }
}
