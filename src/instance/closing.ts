/** A child whose channel has closed: is it ending, or does it live on without it? The first is told by its exit, the second is a fault of its own. */
import { isDying } from '../process/dying.ts';
import { within } from '../util/within.ts';

const GRACE_MS = 30;
/** The kernel gives a large process's memory back before it tells of its end, which on a busy machine takes a while. */
const DYING_MS = 5_000;

/** Resolves with true once it has ended, with false when it is not about to. */
export async function isEnding(pid: number, ended: Promise<unknown>): Promise<boolean> {
  if (await within(GRACE_MS, ended)) return true;
  return (await isDying(pid)) && within(DYING_MS, ended);
}
