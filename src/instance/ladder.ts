/**
 * How a ready child is stopped: `$/free`, then SIGTERM to its group, then SIGKILL. Each rung is left as soon as the child ends.
 * All of it takes `stopTimeoutMs` at the most; what survives its own death is swept by the instance.
 */
import type { Spawned } from '../process/spawn.ts';
import { killHard, signalGroup } from '../process/terminate.ts';
import { Control, ErrorCode } from '../protocol/messages.ts';
import type { Channel } from '../rpc/channel.ts';
import { within } from '../util/within.ts';

/** Shares of `stopTimeoutMs`: until then `free()` may run, until then SIGTERM may work. */
const FREE_SHARE = 0.6;
const TERM_SHARE = 0.9;

/** `onFreeFailed` is called at most once, with what `free()` did. */
export async function climb(child: Spawned, channel: Channel, stopTimeoutMs: number, onFreeFailed: (reason: string) => void): Promise<void> {
  const started = performance.now();
  const left = (share: number): number => Math.max(0, share * stopTimeoutMs - (performance.now() - started));
  let threw = false;
  channel.request(Control.free).catch((error: { message: string; code?: number }) => {
    // Any other error means that the child has no free(), or that the channel closed because it ended.
    if (error.code !== ErrorCode.threw) return;
    threw = true;
    onFreeFailed(`threw ${error.message}`);
  });
  if (await within(left(FREE_SHARE), child.ended)) return;
  if (!threw) onFreeFailed(`did not end within ${Math.round(FREE_SHARE * stopTimeoutMs)} ms`);
  signalGroup(child.pid!, 'SIGTERM');
  if (!(await within(left(TERM_SHARE), child.ended))) await killHard(child.pid!);
}

/** Resolves when no call is running in the child any more. */
export async function drain(channel: Channel): Promise<void> {
  // A child that does not know `$/drain` is drained when its calls are answered.
  await Promise.all([channel.request(Control.drain).catch(() => {}), channel.idle()]);
}
