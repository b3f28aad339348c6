/**
 * The faults, and when they are injected. Each counts once it was: a signal when the process was ours and alive, a harm when the
 * plugin wrote down that it began, a rollout when it ended, a cancel when its call says so.
 */
import { readFileSync } from 'node:fs';
import { isChameleonError } from '../../src/error-base.ts';
import type { Supervisor } from '../../src/index.ts';
import { INSTANCE_MARKER } from '../../src/protocol/messages.ts';
import type { Caller } from './caller.ts';
import type { Ledger } from './ledger.ts';
import { MEMORY_LIMIT_BYTES, VERSIONS, type Target } from './plugins.ts';
import type { Random } from './random.ts';
import type { Verdict } from './verdict.ts';

const TICK_MS = 20;
const MAX_UNDER_WAY = 40;
const HARM_TIMEOUT_MS = 4_000;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

/** How often, and for a harm how much of it. */
const HARMS = {
  exit: { weight: 10, amount: (random: Random) => random.pick([0, 1, 7]) },
  uncaught: { weight: 6, amount: () => 0 },
  unhandled: { weight: 6, amount: () => 0 },
  block: { weight: 6, amount: (random: Random) => random.between(100, 3_000) },
  garbage: { weight: 8, amount: (random: Random) => random.pick([1, 100, 5_000, 300_000]) },
  length: { weight: 4, amount: (random: Random) => random.between(0, 4) },
  torn: { weight: 3, amount: (random: Random) => random.between(100, 5_000) },
  strays: { weight: 5, amount: (random: Random) => random.between(1, 50) },
  closed: { weight: 6, amount: () => 0 },
  leak: { weight: 3, amount: (random: Random) => MEMORY_LIMIT_BYTES * random.pick([0.85, 1.1]) },
  orphan: { weight: 3, amount: (random: Random) => random.between(0, 1) },
  chatter: { weight: 3, amount: (random: Random) => random.between(100, 2_000) },
} as const;

/** What is done from this side. */
const OURS = { kill: 25, stop: 6, reload: 7, swap: 7, rollback: 3, broken: 3, cancel: 8, stubborn: 5, clock: 5 } as const;

type Harm = keyof typeof HARMS;
type Fault = Harm | keyof typeof OURS;

const WEIGHTS = { ...OURS, ...Object.fromEntries(Object.entries(HARMS).map(([name, { weight }]) => [name, weight])) } as Record<Fault, number>;

export interface FaultOptions {
  supervisor: Supervisor;
  caller: Caller;
  ledger: Ledger;
  targets: readonly Target[];
  random: Random;
  verdict: Verdict;
  faultsPerSecond: number;
}

export class Faults {
  readonly counts = new Map<Fault, number>(Object.keys(WEIGHTS).map((kind) => [kind as Fault, 0]));
  readonly #options: FaultOptions;
  readonly #harms = new Map<number, Harm>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #rolling = new Set<string>();
  readonly #dateNow = Date.now;
  #timer: NodeJS.Timeout | null = null;
  total = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
    options.ledger.onBegin = (id) => {
      const kind = this.#harms.get(id);
      if (kind !== undefined && this.#harms.delete(id)) this.#count(kind);
    };
  }

  start(): void {
    const [startedAt, before] = [performance.now(), this.total];
    // What could not be injected is made up for: that a child was dead already, or its queue full, is no fault.
    this.#timer = setInterval(() => {
      const wanted = before + ((performance.now() - startedAt) / 1000) * this.#options.faultsPerSecond;
      if (this.total + this.#underWay.size < wanted && this.#underWay.size < MAX_UNDER_WAY) this.#inject();
    }, TICK_MS);
  }

  /** Injects no more until it is started again, waits for those under way, and sets the clock right. */
  async stop(): Promise<void> {
    clearInterval(this.#timer ?? undefined);
    await Promise.all(this.#underWay);
    Date.now = this.#dateNow;
  }

  #inject(): void {
    const { random, targets } = this.#options;
    const kind = random.weighted(WEIGHTS);
    const isRollout = kind === 'reload' || kind === 'swap' || kind === 'rollback' || kind === 'broken';
    // The bystander is replaced, too: that is no harm.
    const target = random.pick(isRollout ? targets : targets.filter(({ bystander }) => !bystander));
    const work = this.#one(kind, target).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #one(kind: Fault, target: Target): Promise<void> {
    const { random, supervisor } = this.#options;
    switch (kind) {
      case 'kill':
        return this.#signal(kind, target, 'SIGKILL', ['starting', 'ready', 'draining']);
      case 'stop':
        return this.#signal(kind, target, 'SIGSTOP', ['ready', 'draining']);
      case 'reload':
        return this.#roll(kind, target, () => supervisor.reload(target.name));
      case 'swap': {
        const isFirst = this.#options.caller.activeVersion(target.name) === VERSIONS[0];
        return this.#roll(kind, target, () => supervisor.load(target.dirs[isFirst ? 1 : 0]));
      }
      case 'rollback':
        return this.#roll(kind, target, () => supervisor.rollback(target.name));
      case 'broken':
        return this.#roll(kind, target, () => supervisor.load(random.pick(target.broken)));
      case 'clock': {
        const offset = random.pick([-YEAR_MS, -HOUR_MS, HOUR_MS, YEAR_MS]) * random.next();
        Date.now = () => Math.floor(this.#dateNow.call(Date) + offset);
        return this.#count(kind);
      }
      case 'cancel':
        return this.#givenUp(kind, target, 'once', [1_000, 'x', false]);
      case 'stubborn':
        return this.#givenUp(kind, target, 'stubborn', [random.between(100, 3_000)]);
      default: {
        const args = [kind, HARMS[kind].amount(random)];
        const spec = { target, method: 'harm', args, timeoutMs: HARM_TIMEOUT_MS, cancelAfterMs: null } as const;
        const { id } = await this.#options.caller.call(spec, (made) => this.#harms.set(made, kind));
        // The ledger has read by then what was written before the call ended.
        setTimeout(() => this.#harms.delete(id), HARM_TIMEOUT_MS).unref();
      }
    }
  }

  async #givenUp(kind: Fault, target: Target, method: 'once' | 'stubborn', args: unknown[]): Promise<void> {
    const cancelAfterMs = this.#options.random.between(0, 50);
    const { label } = await this.#options.caller.call({ target, method, args, timeoutMs: HARM_TIMEOUT_MS, cancelAfterMs });
    if (label === 'ERR_CALL_CANCELLED') this.#count(kind);
  }

  #signal(kind: Fault, target: Target, signal: 'SIGKILL' | 'SIGSTOP', states: string[]): void {
    const { random, supervisor } = this.#options;
    const instances = supervisor.status(target.name).versions.flatMap((version) => version.instances);
    const able = instances.filter(({ state, pid }) => pid !== null && states.includes(state));
    if (able.length === 0) return;
    const { pid, id } = random.pick(able);
    if (!isOurs(pid!, id)) return;
    process.kill(pid!, signal);
    this.#count(kind);
  }

  async #roll(kind: Fault, target: Target, rollout: () => Promise<unknown>): Promise<void> {
    if (this.#rolling.has(target.name)) return;
    this.#rolling.add(target.name);
    const activations = this.#options.caller.activations(target.name);
    try {
      await rollout();
      if (kind === 'broken') this.#options.verdict.add('unexpected error', null, `${target.name}: a version that cannot start was promoted`);
      this.#count(kind);
    } catch (error) {
      const code = isChameleonError(error) ? error.code : String(error);
      // Nothing to go back to, yet.
      if (kind === 'rollback' && code === 'ERR_VERSION_NOT_FOUND') return;
      // While load() read the folder, its hold took the other version back: that one is active again.
      if (kind === 'swap' && code === 'ERR_PLUGIN_EXISTS' && this.#options.caller.activations(target.name) > activations) return;
      // The candidate was harmed, as may be: it was a rollout all the same.
      if (code === 'ERR_RELOAD_FAILED' && (kind === 'broken' || !target.bystander)) return this.#count(kind);
      this.#options.verdict.add('unexpected error', null, `${kind} of ${target.name}: ${error instanceof Error ? error.message : code}`);
    } finally {
      this.#rolling.delete(target.name);
    }
  }

  #count(kind: Fault): void {
    this.counts.set(kind, this.counts.get(kind)! + 1);
    this.total++;
  }
}

/** Whether it is alive and that instance's own: a dead one has no environment. */
function isOurs(pid: number, marker: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${INSTANCE_MARKER}=${marker}`);
  } catch {
    return false;
  }
}
