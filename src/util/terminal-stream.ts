/**
 * A terminal as a stream whose writes never block. Node's own block the whole process while a terminal
 * is stopped by Ctrl-S, or while whatever shows it does not read.
 */
import { constants, openSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { setTimeout } from './timers.ts';

/** Between two attempts at a terminal that takes nothing. */
const RETRY_MS = 25;

/** The terminal behind a descriptor. Null if there is none, or if the system gives no second way to it. */
export function openTerminal(fd: 1 | 2): Writable | null {
  if (!isatty(fd)) return null;
  try {
    // Opened anew: `O_NONBLOCK` on the descriptor itself would hold for the shell too, which shares it.
    // Elsewhere than on Linux the path leads to that shared descriptor.
    if (process.platform !== 'linux') return null;
    return new TerminalStream(openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY));
  } catch {
    return null;
  }
}

class TerminalStream extends Writable {
  readonly #fd: number;

  constructor(fd: number) {
    super();
    this.#fd = fd;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    let written = 0;
    try {
      while (written < chunk.length) written += writeSync(this.#fd, chunk, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        setTimeout(() => this._write(chunk.subarray(written), _encoding, done), RETRY_MS);
        return;
      }
      // Its window was closed: text for nobody is no error.
    }
    done();
  }
}
