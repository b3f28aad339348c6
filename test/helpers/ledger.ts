/**
 * Calls to a plugin that writes down what it does (fixtures/plugins/ledger), and the comparison of what it wrote with what we were told:
 *
 * I2 every call settles, and no later than its deadline + 250 ms
 * I3 a call that is not idempotent began at most once, an attempt of an idempotent one too; a success is what the plugin wrote
 *
 * What is random comes from one seed, which every failure names: `CHAMELEON_TEST_SEED=… npx vitest run …` repeats it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { isChameleonError, type ChameleonError, type PluginOptions } from '../../src/index.ts';
import { Random } from './random.ts';
import { fixtures, type Supervise, type Watched } from './supervise.ts';

const LATE_MS = 250;
const TIMEOUT_MS = 10_000;

export interface Settlement {
  id: string;
  method: 'once' | 'again';
  timeoutMs: number;
  /** From the call to its settlement. */
  tookMs: number;
  /** On the clock of `performance.now()`. */
  at: number;
  result: unknown;
  /** Null for a success. */
  error: ChameleonError | null;
}

export class Ledger {
  readonly watched: Watched;
  readonly plugin: string;
  readonly #random: Random;
  readonly #file: string;
  readonly #calls: Promise<Settlement>[] = [];

  /** A supervisor that runs `fixture`, which writes to a file of its own. */
  static async begin(supervise: Supervise, fixture = 'ledger', options: PluginOptions = {}, random = new Random()): Promise<Ledger> {
    const watched = await supervise();
    const file = join(await supervise.tempDir(), 'ledger');
    await watched.supervisor.load(join(fixtures, fixture), { options: { ...options, options: { ...options.options, file } } });
    return new Ledger(watched, fixture, file, random);
  }

  constructor(watched: Watched, plugin: string, file: string, random: Random) {
    this.watched = watched;
    this.plugin = plugin;
    this.#file = file;
    this.#random = random;
  }

  /** A whole number from 0 to below `limit`. */
  random(limit: number): number {
    return this.#random.below(limit);
  }

  /** A call that takes `ms` in the plugin. Never rejects. */
  call(method: 'once' | 'again', ms: number, timeoutMs = TIMEOUT_MS): Promise<Settlement> {
    const id = `c${this.#calls.length}`;
    const begun = performance.now();
    const settle = (result: unknown, error: ChameleonError | null): Settlement => {
      const at = performance.now();
      return { id, method, timeoutMs, tookMs: at - begun, at, result, error };
    };
    const settlement = this.watched.supervisor.call(this.plugin, method, [id, ms], { timeoutMs }).then(
      (result) => settle(result, null),
      (error: unknown) => {
        if (!isChameleonError(error)) throw error;
        return settle(null, error);
      },
    );
    this.#calls.push(settlement);
    return settlement;
  }

  calls(count: number, method: 'once' | 'again', ms: number, timeoutMs?: number): Promise<Settlement[]> {
    return Promise.all(Array.from({ length: count }, () => this.call(method, ms, timeoutMs)));
  }

  /** How many calls the plugin has begun. */
  begun(): number {
    return this.#lines().filter((line) => line.endsWith(' begin')).length;
  }

  /** Waits for every call, and asserts I2 and I3. */
  async verify(): Promise<Settlement[]> {
    const settled = await Promise.all(this.#calls);
    const lines = this.#lines();
    const seed = `CHAMELEON_TEST_SEED=${this.#random.seed}`;
    const written = new Set(lines);
    const begun = lines.filter((line) => line.endsWith(' begin')).map((line) => line.split(' ').slice(0, 2) as [string, string]);
    const attempts = begun.map(([id, attempt]) => `${id} attempt ${attempt}`);
    // Counted once: the invariants watch this event loop meanwhile, and the books are long.
    const times = new Map<string, number>();
    for (const [id] of begun) times.set(id, (times.get(id) ?? 0) + 1);
    expect(new Set(attempts).size, `I3: no attempt began twice (${seed})`).toBe(attempts.length);
    for (const { id, method, timeoutMs, tookMs, result, error } of settled) {
      expect(tookMs, `I2: ${id} settles in time (${seed})`).toBeLessThan(timeoutMs + LATE_MS);
      const isWritten = error !== null || written.has(`${String(result)} end`);
      expect(isWritten, `I3: ${id} succeeded with ${String(result)}, so the plugin wrote its end (${seed})`).toBe(true);
      if (method === 'once') expect(times.get(id) ?? 0, `I3: ${id} began once at most (${seed})`).toBeLessThanOrEqual(1);
    }
    return settled;
  }

  #lines(): string[] {
    return readFileSync(this.#file, 'utf8').split('\n').slice(0, -1);
  }
}
