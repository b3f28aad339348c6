/** The start of one child: how far it has come, its deadline, and how long it needs the processor. */
import type { StartPhase } from '../errors.ts';
import { processorTime } from '../process/processor.ts';
import { deferred } from '../util/deferred.ts';
import { PHASES } from './handshake.ts';
import { clearTimeout, setImmediate, setTimeout } from '../util/timers.ts';

type Phase = Exclude<StartPhase, 'spawn'>;

/** How often a start that does not say that it waits is looked at: what uses no processor meanwhile waits for something else. */
const PATIENCE_MS = 2_000;
/** A start that computes for longer has had its turn. */
const MOST_LOOKS = 3;
const BUSY_SHARE = 0.1;

export class StartWatch {
  readonly #booted = deferred<void>();
  readonly #onLate: (phase: Phase) => void;
  #phase: Phase = 'handshake';
  #deadline: NodeJS.Timeout | null = null;
  #patience: NodeJS.Timeout | null = null;

  /** `onLate` is told how far it came when its time is over. */
  constructor(onLate: (phase: Phase) => void) {
    this.#onLate = onLate;
  }

  /** Resolves when the start is over, or waits for something else than the processor. */
  get booted(): Promise<void> {
    return this.#booted.promise;
  }

  begin(startTimeoutMs: number, pid: number): void {
    this.#look(pid, 0, 1);
    // The answer may wait in the pipe, which is read before immediates.
    this.#deadline = setTimeout(() => setImmediate(() => this.#onLate(this.#phase)), startTimeoutMs);
  }

  /** The child says that it waits in this phase: for a database, or whatever else `init()` needs. False when there is no such phase. */
  waits(phase: unknown): boolean {
    const known = PHASES.find((name) => name === phase);
    if (known === undefined) return false;
    this.#phase = known;
    this.#booted.resolve();
    return true;
  }

  #look(pid: number, usedMs: number, count: number): void {
    this.#patience = setTimeout(() => {
      const { ranMs = 0, waitedMs = 0 } = processorTime(pid) ?? {};
      const isBusy = ranMs + waitedMs - usedMs > PATIENCE_MS * BUSY_SHARE;
      if (isBusy && count < MOST_LOOKS) this.#look(pid, ranMs + waitedMs, count + 1);
      else this.#booted.resolve();
    }, PATIENCE_MS);
  }

  end(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    if (this.#patience !== null) clearTimeout(this.#patience);
    this.#booted.resolve();
  }
}
