/**
 * How a ready child is stopped: `$/free`, then SIGTERM to its group, then SIGKILL. Each rung is left as soon as the child ends.
 * All of it takes `stopTimeoutMs` at the most, after the patience for a breakpoint in `free()`; the instance sweeps the processes that
 * the child leaves behind.
 */
import type { ProcessTree } from '../process/process-tree.ts';
import { Control, ErrorCode } from '../protocol/messages.ts';
import type { Channel } from '../rpc/channel.ts';
import { deferred } from '../util/deferred.ts';
import { within } from '../util/within.ts';
import { clearTimeout, performance, setTimeout } from '../util/timers.ts';

/** Shares of `stopTimeoutMs`: until then `free()` may run, until then SIGTERM may work. */
const FREE_SHARE = 0.6;
const TERM_SHARE = 0.9;

/**
 * The time for `free()` begins when `patience` resolves or `free()` has ended; at once where it is null. `onFreeFailed` is called at most
 * once, with what `free()` did.
 */
export async function climb(
  tree: ProcessTree,
  channel: Channel,
  stopTimeoutMs: number,
  patience: Promise<unknown> | null,
  onFreeFailed: (reason: string) => void,
): Promise<void> {
  let started = performance.now();
  const left = (share: number): number => Math.max(0, share * stopTimeoutMs - (performance.now() - started));
  let threw = false;
  await tree.note();
  const freed = channel.request(Control.free).catch((error: { message: string; code?: number }) => {
    // Any other error means that the child has no free(), or that the channel closed because it ended.
    if (error.code !== ErrorCode.threw) return;
    threw = true;
    onFreeFailed(`threw ${error.message}`);
  });
  if (patience !== null) {
    await Promise.race([freed, tree.ended, patience]);
    started = performance.now();
  }
  if (await within(left(FREE_SHARE), tree.ended)) return;
  if (!threw) onFreeFailed(`did not end within ${Math.round(FREE_SHARE * stopTimeoutMs)} ms`);
  tree.signal('SIGTERM');
  if (!(await within(left(TERM_SHARE), tree.ended))) await tree.kill();
}

/** The time that a child has to finish its calls. It may be shortened while they run. */
export class DrainTime {
  readonly #over = deferred<false>();

  /** Resolves when the time is over; never without a limit. */
  get over(): Promise<false> {
    return this.#over.promise;
  }

  /** It is over in `ms` at the latest. */
  limit(ms: number, ended: Promise<unknown>): void {
    const timer = setTimeout(() => this.#over.resolve(false), ms);
    void ended.then(() => clearTimeout(timer));
  }

  /** Resolves with true when no call is running in the child any more, or with false when the time is over. */
  drain(channel: Channel): Promise<boolean> {
    // A child that does not know `$/drain` is drained when its calls are answered.
    const drained = Promise.all([channel.request(Control.drain).catch(() => {}), channel.idle()]);
    return Promise.race([drained.then(() => true), this.#over.promise]);
  }
}
