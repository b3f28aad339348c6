/** A child whose channel has closed: is it ending, or does it live on without it? The first is told by its exit, the second is a fault of its own. */
import { finished } from 'node:stream/promises';
import type { ProcessTree } from '../process/process-tree.ts';
import type { Spawned } from '../process/spawn.ts';
import type { Channel } from '../rpc/channel.ts';
import { within } from '../util/within.ts';

const GRACE_MS = 30;
/** The kernel gives a large process's memory back before it tells of its end, which on a busy machine takes a while. */
const DYING_MS = 5_000;
/** How long the pipes of a dead child may still be read. */
const LAST_WORDS_MS = 50;
/** How long an answer that it sent in full may take to be parsed. */
const LAST_ANSWER_MS = 2_000;

/**
 * Resolves with true once it has ended, with false when it is not about to. Of one that is, the rest of its group is killed: once it has
 * been reaped, nothing tells its group from another's.
 */
export async function isEnding(tree: ProcessTree): Promise<boolean> {
  tree.endGroup();
  if (await within(GRACE_MS, tree.ended)) return true;
  return tree.isEnding && within(DYING_MS, tree.ended);
}

/** Resolves when all that a dead child said was read and parsed, or what it started has kept its pipes open. */
export async function lastWords({ channel: pipe, stdout, stderr }: Spawned, channel: Channel | null): Promise<void> {
  const pipes = [pipe?.readable, stdout, stderr].filter((each) => each !== null && each !== undefined);
  await within(LAST_WORDS_MS, Promise.all(pipes.map((each) => finished(each, { writable: false }).catch(() => {}))));
  if (channel !== null) await within(LAST_ANSWER_MS, channel.delivered());
}
