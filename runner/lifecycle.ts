/**
 * How the process ends, and that it does. Owns `free()`, signals, faults of the whole process, and what is swept on the way out.
 *
 * 1. `free()` runs once at most, and only when the plugin became ready.
 * 2. When the channel is gone the process ends within two seconds, and takes along what it started.
 * 3. An end that the plugin caused leaves its reason as the last line on stderr.
 */
import { INSTANCE_MARKER } from '../src/protocol/messages.ts';
import { processesMarked } from '../src/protocol/marker.ts';
import type { Channel } from './channel.ts';
import type { LoadedPlugin } from './load.ts';
import { after, native, writeStderr } from './natives.ts';
import type { Calls } from './serve.ts';
import { isObject, read, stackOf } from './thrown.ts';

const FREE_MS = 1_000;
const SWEEP_MS = 500;
const SWEEPS = 3;
const EPIPE_MS = 100;

export class Lifecycle {
  readonly #channel: Channel;
  readonly #calls: Calls;
  /** Read now: plugin code may write to its environment. */
  readonly #marker = process.env[INSTANCE_MARKER];
  #isOrphan = false;
  #plugin: LoadedPlugin | null = null;
  #freed: Promise<void> | null = null;

  constructor(channel: Channel, calls: Calls) {
    this.#channel = channel;
    this.#calls = calls;
  }

  watch(): void {
    // An unhandled rejection comes here as well, unless the plugin listens for those itself.
    native.on('uncaughtException', (error, origin) => {
      const reason = `[chameleon] ${origin === 'unhandledRejection' ? 'unhandled rejection' : 'uncaught exception'}: ${stackOf(error)}`;
      // A broken pipe may be the first sign that the supervisor is gone: then there is a sweep to be done.
      if (isObject(error) && read(error, 'code') === 'EPIPE') void after(EPIPE_MS).then(() => this.#die(reason));
      else this.#die(reason);
    });
    native.on('SIGTERM', () => {
      void this.free()
        .catch((error: unknown) => writeStderr(`[chameleon] free() threw: ${stackOf(error)}`))
        .then(() => this.exit(0));
    });
    // A plugin that calls process.exit() has its last records read.
    native.on('exit', () => this.#channel.stopBatching());
  }

  #die(reason: string): void {
    if (this.#isOrphan) return;
    this.#channel.flush();
    writeStderr(reason);
    native.reallyExit(1);
  }

  /** From now on there is something to free. */
  ready(plugin: LoadedPlugin): void {
    this.#plugin = plugin;
  }

  /** Runs the plugin's `free()`; calls that still run are cancelled. Rejects with what it threw. */
  free(): Promise<void> {
    this.#calls.stop('the plugin is being stopped');
    this.#calls.cancelAll();
    return (this.#freed ??= (async () => void (await this.#plugin?.free()))());
  }

  /** Ends the process once all that was sent has been taken. The plugin's `exit` listeners run. */
  async exit(code: number): Promise<void> {
    await this.#channel.flushed();
    try {
      native.exit(code);
    } finally {
      native.reallyExit(code);
    }
  }

  /** The channel is gone: nobody is left to serve, or to stop us. */
  async orphaned(fault: string | null): Promise<void> {
    this.#isOrphan = true;
    if (fault !== null) writeStderr(`[chameleon] protocol error: ${fault}`);
    await Promise.race([this.free().catch(() => undefined), after(FREE_MS)]);
    await Promise.race([this.#sweep(), after(SWEEP_MS)]);
    try {
      // Our own group, when we lead it: then this is the end of us, too.
      native.kill(-process.pid, 'SIGKILL');
    } catch {
      // We lead no group.
    }
    native.reallyExit(fault === null ? 0 : 1);
  }

  async #sweep(): Promise<void> {
    if (this.#marker === undefined) return;
    for (let round = 0; round < SWEEPS; round++) {
      const others = (await processesMarked((marker) => marker === this.#marker)).filter(({ pid }) => pid !== process.pid);
      if (others.length === 0) return;
      for (const { pid } of others) {
        try {
          native.kill(pid, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
      }
    }
  }
}
