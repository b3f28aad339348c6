/** The same readonly calls on the new version and, as copies, on the old one, at the same time: a difference is then the version's. */
import type { Compared, ComparedCall } from '../resilience/comparison.ts';
import type { Call } from './call.ts';
import type { Contention } from './contention.ts';
import type { Deployment } from './deployment.ts';
import { Shadow } from './shadow.ts';
import { performance } from '../util/timers.ts';

interface Timed {
  readonly call: Call;
  endedAt: number | null;
  failed: boolean;
}

/** More say no more, and each is work for the machine. */
const MAX_PAIRS = 256;

/** Long enough to be told from a call that a busy machine holds up. */
const HANGS_MS = 1_000;

export class SideBySide {
  readonly begunAt = performance.now();
  readonly copies: Shadow;
  readonly #candidate: Deployment;
  readonly #stable: Deployment;
  readonly #contention: Contention;
  readonly #pairs: [Timed, Timed][] = [];

  constructor(candidate: Deployment, stable: Deployment, contention: Contention) {
    this.#candidate = candidate;
    this.#stable = stable;
    this.#contention = contention;
    this.copies = new Shadow(stable, { percent: 100, compare: false }, (original, copy) => {
      if (this.#pairs.length < MAX_PAIRS) this.#pairs.push([timed(original), timed(copy)]);
    });
  }

  /** The pairs that ended, and those of which one hangs: that counts with the time that it has run. */
  compared(): Compared {
    const now = performance.now();
    const begun = this.#pairs.filter((pair) => pair.every(({ call, endedAt }) => call.sentAt !== null && (endedAt ?? now) > call.sentAt));
    // One that has only begun would look fast.
    const isOver = ({ call, endedAt }: Timed): boolean => endedAt !== null || now - call.sentAt! > HANGS_MS;
    const known = begun.filter((pair) => pair.every(isOver) && pair.some(({ endedAt }) => endedAt !== null));
    const good = known.filter(([original, copy]) => !original.failed && !copy.failed && original.call.attempt === 1);
    const of = (deployment: Deployment, which: 0 | 1): ComparedCall[] =>
      this.#contention.compared(
        deployment,
        good.map((pair) => {
          const { call, endedAt } = pair[which];
          return { method: call.method, endedAt: endedAt ?? now, ranMs: (endedAt ?? now) - call.sentAt!, failed: false };
        }),
      );
    return { candidate: of(this.#candidate, 0), stable: of(this.#stable, 1) };
  }
}

function timed(call: Call): Timed {
  const result: Timed = { call, endedAt: null, failed: false };
  const end = (failed: boolean): void => {
    result.endedAt = performance.now();
    result.failed = failed;
  };
  call.promise.then(
    () => end(false),
    () => end(true),
  );
  return result;
}
