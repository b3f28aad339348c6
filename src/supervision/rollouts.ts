/** The rollouts of one plugin: one after the other, or one in place of the others, and the hold that the last one left. */
import { ReloadFailedError, RolledBackError, RolloutSupersededError, SupervisorClosedError, type ChameleonError } from '../errors.ts';
import type { RolloutResult, RolloutStatus } from '../types.ts';
import { Turns } from '../util/turns.ts';
import { Rollout, type RolloutHost, type RolloutRequest } from './rollout.ts';
import type { Shadow } from './shadow.ts';
import { performance } from '../util/timers.ts';

/** Of a rollout that is under way, or waits for its turn. */
interface Ticket {
  rollout: Rollout | null;
  refusal: ChameleonError | null;
}

export class Rollouts {
  readonly #host: RolloutHost;
  readonly #turns = new Turns();
  readonly #tickets = new Set<Ticket>();
  #current: Rollout | null = null;
  /** The one that is under way or was before: it may hold what was active. */
  #last: Rollout | null = null;

  constructor(host: RolloutHost) {
    this.#host = host;
  }

  get isSwitching(): boolean {
    return this.#current !== null;
  }

  /** Whether anything is under way or waits. */
  get isBusy(): boolean {
    return this.#turns.taken > 0;
  }

  get status(): RolloutStatus | null {
    return this.#current?.status ?? this.#last?.status ?? null;
  }

  /** Takes the copies of calls that are to be made now. */
  get shadow(): Shadow | null {
    return this.#current?.shadow ?? this.#last?.shadow ?? null;
  }

  async run(request: RolloutRequest, supersede = false): Promise<RolloutResult> {
    if (supersede) this.#end(new RolloutSupersededError(this.#host.name));
    const ticket: Ticket = { rollout: null, refusal: null };
    this.#tickets.add(ticket);
    try {
      return await this.inTurn(() => this.#run(ticket, request));
    } finally {
      this.#tickets.delete(ticket);
    }
  }

  /** What must not happen during a rollout. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(async () => {
      // Two of them at a time would be one hand-over in the middle of another.
      await this.#last?.settled;
      if (this.#host.isClosed) throw new SupervisorClosedError({ plugin: this.#host.name });
      return work();
    });
  }

  /** Back to the version that is held, at once. Null when there is none. */
  restore(): RolloutResult | null {
    const started = performance.now();
    const { fleet, name: plugin } = this.#host;
    const from = fleet.active?.release.version ?? null;
    if (!this.#last?.undo('operator', 'an operator asked for it')) return null;
    const phases: RolloutResult['phases'] = [{ name: 'promoted', ms: Math.round(performance.now() - started) }];
    const to = fleet.active!.release.version;
    return { outcome: 'promoted', plugin, from, to, reason: null, detail: null, phases, outageMs: 0, stderrTail: '', shadow: null };
  }

  /** Ends the rollout that is under way; its result, or null when there is none or it was over first. */
  async giveUp(): Promise<RolloutResult | null> {
    const rollout = this.#current;
    if (rollout === null) return null;
    const version = rollout.status?.to ?? undefined;
    const subject = { plugin: this.#host.name, ...(version !== undefined && { version }) };
    rollout.abort(new RolledBackError(subject, 'operator', 'an operator went back', ''));
    const error: unknown = await rollout.run().then(
      () => null,
      (reason: unknown) => reason,
    );
    return error instanceof ReloadFailedError ? error.result : null;
  }

  /** What was held is retired now. */
  endHold(): void {
    this.#last?.retire();
    this.#last = null;
  }

  /** Ends all of them, and resolves when they have; what is held is its plugin's to stop. */
  async close(): Promise<void> {
    this.#end(new SupervisorClosedError({ plugin: this.#host.name }));
    this.#last?.stop();
    await this.#turns.take(async () => this.#last?.settled);
  }

  async #run(ticket: Ticket, request: RolloutRequest): Promise<RolloutResult> {
    if (ticket.refusal !== null) throw ticket.refusal;
    const rollout = new Rollout(this.#host, request, () => {
      this.endHold();
      this.#last = rollout;
    });
    this.#current = ticket.rollout = rollout;
    try {
      return await rollout.run();
    } finally {
      this.#current = null;
    }
  }

  #end(error: ChameleonError): void {
    for (const ticket of this.#tickets) {
      ticket.refusal = error;
      ticket.rollout?.abort(error);
    }
  }
}
