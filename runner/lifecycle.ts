/**
 * How the process ends, and that it does. Owns `free()`, signals, faults of the whole process, and what is swept on the way out.
 *
 * 1. `free()` runs once at most, and only when the plugin became ready.
 * 2. When the channel is gone the process ends within two seconds, and takes along what it started.
 * 3. An end that the plugin caused leaves its reason as the last line on stderr.
 */
import { INSTANCE_MARKER } from '../src/protocol/messages.ts';
import { cgroupOf, type Cgroup } from '../src/process/cgroup.ts';
import { Descendants } from '../src/process/descendants.ts';
import { processesMarked } from '../src/process/marker.ts';
import { killProcess } from '../src/process/proc.ts';
import type { Channel } from './channel.ts';
import type { LoadedPlugin } from './load.ts';
import { after, closeInspector, native, writeStderr } from './natives.ts';
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
    // Ctrl-C and process managers send SIGINT to all processes there are; a plugin ends when its supervisor says so. Without a listener
    // for SIGUSR1, Node would open its debugger to every local user.
    for (const signal of ['SIGINT', 'SIGUSR1'] as const) native.on(signal, () => {});
    // A plugin that calls process.exit() has its last records read.
    native.on('exit', () => {
      this.#channel.stopBatching();
      closeInspector();
    });
  }

  #die(reason: string): void {
    if (this.#isOrphan) return;
    this.#channel.flush();
    writeStderr(reason);
    closeInspector();
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
    const cgroup = cgroupOf(this.#marker);
    await Promise.race([this.free().catch(() => undefined), after(FREE_MS)]);
    await Promise.race([this.#sweep(cgroup), after(SWEEP_MS)]);
    try {
      // Our own group, when we lead it: then this is the end of us, too.
      native.kill(-process.pid, 'SIGKILL');
    } catch {
      // We lead no group.
    }
    native.reallyExit(fault === null ? 0 : 1);
  }

  async #sweep(cgroup: Promise<Cgroup | null>): Promise<void> {
    // Ends this process, too.
    await (await cgroup)?.kill();
    const below = new Descendants(() => process.pid, native.kill);
    for (let round = 0; round < SWEEPS; round++) {
      const hadDescendants = await below.kill();
      const others = (await processesMarked((marker) => marker === this.#marker)).filter(({ pid }) => pid !== process.pid);
      if (others.length === 0 && !hadDescendants) return;
      for (const other of others) killProcess(other, native.kill);
    }
  }
}
