/** A child whose channel has closed: is it ending, or does it live on without it? The first is told by its exit, the second is a fault of its own. */
import { finished } from 'node:stream/promises';
import { isDying } from '../process/dying.ts';
import type { Spawned } from '../process/spawn.ts';
import { within } from '../util/within.ts';

const GRACE_MS = 30;
/** The kernel gives a large process's memory back before it tells of its end, which on a busy machine takes a while. */
const DYING_MS = 5_000;
/** How long the pipes of a dead child may still be read. */
const LAST_WORDS_MS = 50;

/** Resolves with true once it has ended, with false when it is not about to. */
export async function isEnding(pid: number, ended: Promise<unknown>): Promise<boolean> {
  if (await within(GRACE_MS, ended)) return true;
  return (await isDying(pid)) && within(DYING_MS, ended);
}

/** Resolves when all that a dead child said was read, or what it started has kept its pipes open. */
export async function lastWords({ channel, stdout, stderr }: Spawned): Promise<void> {
  const pipes = [channel?.readable, stdout, stderr].filter((pipe) => pipe !== null && pipe !== undefined);
  await within(LAST_WORDS_MS, Promise.all(pipes.map((pipe) => finished(pipe, { writable: false }).catch(() => {}))));
}
