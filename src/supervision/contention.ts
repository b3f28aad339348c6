/**
 * How long the calls of some deployments had to wait for the machine: their children for a processor, and we for our own event loop.
 * Read only as long as a rollout compares versions, and only of those that are called.
 */
import { ownRunQueueMs, RunQueueWait } from '../process/run-queue.ts';
import type { ComparedCall } from '../resilience/comparison.ts';
import type { RecentCall } from '../resilience/recent.ts';
import { Waits } from '../resilience/waits.ts';
import type { Deployment } from './deployment.ts';
import { clearInterval, performance, setInterval } from '../util/timers.ts';

const READ_EVERY_MS = 25;

/** A call with its times. */
type Timed = Omit<RecentCall, 'isSecond'>;

interface Watched {
  readonly waits: Waits;
  readonly children: Map<number, RunQueueWait>;
  /** What we have waited since its last reading. */
  ownMs: number;
}

export class Contention {
  readonly #watched = new Map<Deployment, Watched>();
  readonly #timer = setInterval(() => this.read(), READ_EVERY_MS);
  #lastAt = performance.now();
  #lastOwnMs = ownRunQueueMs();

  /** From now on; before that nothing is known. */
  watch(deployment: Deployment): void {
    const watched: Watched = { waits: new Waits(), children: new Map(), ownMs: 0 };
    this.#watched.set(deployment, watched);
    this.#readOne(deployment, watched, performance.now());
  }

  end(): void {
    clearInterval(this.#timer);
  }

  read(): void {
    const now = performance.now();
    const ownMs = ownRunQueueMs();
    const stalledMs = Math.max(now - this.#lastAt - READ_EVERY_MS, ownMs - this.#lastOwnMs, 0);
    const since = this.#lastAt;
    this.#lastAt = now;
    this.#lastOwnMs = ownMs;
    for (const [deployment, watched] of this.#watched) {
      watched.ownMs += stalledMs;
      const { running, lastCallAt } = deployment.dispatcher;
      if (running > 0 || lastCallAt >= since) this.#readOne(deployment, watched, now);
    }
  }

  /** With what each can have waited at the most. */
  compared(deployment: Deployment, calls: readonly Timed[]): ComparedCall[] {
    const waits = this.#watched.get(deployment)?.waits;
    return calls.map((call) => ({ ...call, waitedMs: waits?.between(call.endedAt - call.ranMs, call.endedAt) ?? 0 }));
  }

  #readOne({ pids }: Deployment, watched: Watched, now: number): void {
    let longest = 0;
    for (const pid of pids) {
      const child = watched.children.get(pid);
      if (child === undefined) watched.children.set(pid, new RunQueueWait(pid, now));
      else longest = Math.max(longest, child.takeMs(now));
    }
    for (const pid of watched.children.keys()) if (!pids.includes(pid)) watched.children.delete(pid);
    watched.waits.add(now, watched.ownMs + longest);
    watched.ownMs = 0;
  }
}
