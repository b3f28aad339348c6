/**
 * Calls by the signal that cancels them.
 *
 * 1. A signal has one listener of ours, however many calls follow it: an event target compares each new listener with all others.
 * 2. The listener goes with the last call.
 */
import { WaitingList, type Link } from '../resilience/waiting-list.ts';

/** The place of one call in the list of its signal. */
export interface Follower extends Link<Follower> {
  readonly call: { cancel(reason: unknown): void };
  readonly by: Followers;
}

class Followers {
  readonly #signal: AbortSignal;
  readonly #list = new WaitingList<Follower>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this, { once: true });
  }

  add(call: Follower['call']): Follower {
    const follower: Follower = { call, by: this, waiting: true, before: null, after: null };
    this.#list.place(follower, false);
    return follower;
  }

  remove(follower: Follower): void {
    this.#list.unlink(follower);
    if (this.#list.size > 0) return;
    this.#signal.removeEventListener('abort', this);
    bySignal.delete(this.#signal);
  }

  handleEvent(): void {
    for (const { call } of this.#list.toArray()) call.cancel(this.#signal.reason);
  }
}

const bySignal = new WeakMap<AbortSignal, Followers>();

/** From now on `call` is cancelled when `signal` aborts. */
export function follow(signal: AbortSignal, call: Follower['call']): Follower {
  let followers = bySignal.get(signal);
  if (followers === undefined) bySignal.set(signal, (followers = new Followers(signal)));
  return followers.add(call);
}

export function unfollow(follower: Follower): void {
  follower.by.remove(follower);
}
