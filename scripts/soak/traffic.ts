/**
 * Constant mixed traffic: an open loop, which goes on whatever becomes of the calls, and closed loops, whose callers wait for each
 * answer before they ask again. Idempotent and not, short and long, small and large; some give up, some have no time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Caller, Method, Settled, Spec } from './caller.ts';
import type { Ledger } from './ledger.ts';
import type { Target } from './plugins.ts';
import type { Random } from './random.ts';

const TICK_MS = 10;
/** What the closed loops and a stall leave behind is made up for, no more than this at a time. */
const CATCH_UP_MS = 100;
/** Beyond so many open calls the open loop skips, so that memory shows what the supervisor holds and not what we pile up. */
const MAX_OPEN = 1_500;
const CLOSED_SHARE = 0.3;
const THINK_MS = { least: 5, most: 35 };
/** Of a closed loop's turn: thinking, and a call. */
const TURN_MS = 30;
const MAX_PAUSE_MS = 100;

export interface TrafficOptions {
  caller: Caller;
  ledger: Ledger;
  targets: readonly Target[];
  random: Random;
  callsPerSecond: number;
}

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #weights: Record<string, number>;
  readonly #text: string;
  #loops: Promise<void>[] = [];
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#weights = Object.fromEntries(options.targets.map(({ name, weight }) => [name, weight]));
    const { random } = options;
    const alphabet = ['a', 'Z', '0', ' ', '"', '\\', '\n', 'é', '世', '界', '\u2028'];
    this.#text = Array.from({ length: 300_000 }, () => random.pick(alphabet)).join('');
  }

  start(): void {
    const { ledger, targets, callsPerSecond } = this.#options;
    this.#stopped = false;
    const { open, records } = ledger;
    const [startedAt, before] = [performance.now(), records.count];
    this.#timer = setInterval(() => {
      const wanted = before + ((performance.now() - startedAt) / 1000) * callsPerSecond;
      const most = records.count + (CATCH_UP_MS / 1000) * callsPerSecond;
      while (records.count < Math.min(wanted, most) && open.size < MAX_OPEN) void this.one();
    }, TICK_MS);
    const loops = Math.ceil((callsPerSecond * CLOSED_SHARE * TURN_MS) / 1000 / targets.length);
    for (const target of targets) for (let i = 0; i < loops; i++) this.#loops.push(this.#loop(target));
  }

  /** Makes no more calls until it is started again; those that are open go on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer ?? undefined);
    await Promise.all(this.#loops);
    this.#loops = [];
  }

  one(target = this.#anyTarget()): Promise<Settled> {
    return this.#options.caller.call(this.#spec(target));
  }

  async #loop(target: Target): Promise<void> {
    const { random } = this.#options;
    while (!this.#stopped) {
      const { retryAfterMs } = await this.one(target);
      const thinkMs = random.between(THINK_MS.least, THINK_MS.most);
      await sleep(Math.max(thinkMs, Math.min(retryAfterMs, MAX_PAUSE_MS)));
    }
  }

  #anyTarget(): Target {
    const name = this.#options.random.weighted(this.#weights);
    return this.#options.targets.find((target) => target.name === name)!;
  }

  #spec(target: Target): Spec {
    const { random } = this.#options;
    const method: Method = random.weighted({ once: 48, again: 48, fails: 4 });
    const how = random.weighted({ patient: 86, hurried: 8, cancelled: 6 });
    const narrow = (target.options.concurrency ?? 100) < 10;
    const ms = random.weighted({ '0': narrow ? 95 : 70, '20': narrow ? 5 : 25, '200': narrow ? 0 : 5 });
    const hasTime = target.bystander || how === 'patient';
    return {
      target,
      method,
      args: method === 'fails' ? [] : [random.between(0, Number(ms)), this.#payload(), random.chance(0.3)],
      timeoutMs: hasTime ? random.between(8_000, 12_000) : how === 'hurried' ? random.between(1, 100) : 8_000,
      cancelAfterMs: hasTime || how !== 'cancelled' ? null : random.between(0, 50),
    };
  }

  #payload(): string {
    const { random } = this.#options;
    const most = { small: 200, middle: 8_000, large: 200_000 }[random.weighted({ small: 90, middle: 9.5, large: 0.5 })];
    const length = random.between(0, most);
    const from = random.between(0, this.#text.length - length);
    return this.#text.slice(from, from + length);
  }
}
