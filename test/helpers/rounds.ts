/**
 * The rounds of a fault: idle and under load, each with every seed. Which call, when, how many, how large, in what order: all that a
 * test leaves to chance comes from the seed, and the title names it. A round that has not asserted the invariants has failed.
 *
 * `CHAMELEON_TEST_SEED=…` takes this seed in place of the fixed ones; `CHAMELEON_TEST_ROUNDS=1` runs so many rounds of each fault only.
 */
import { expect, test } from 'vitest';
import { Invariants, type Load } from './invariants.ts';
import type { Ledger } from './ledger.ts';
import { GIVEN_SEED, Random } from './random.ts';
import type { Watched } from './supervise.ts';

export const LOADS: readonly Load[] = ['under load', 'idle'];
export const SEEDS: readonly number[] = [1, 2, 3];

const seeds = GIVEN_SEED === null ? SEEDS : [GIVEN_SEED];
const ALL = seeds.flatMap((seed) => LOADS.map((load) => ({ load, seed })));
/** What is run of each fault here and now. */
const CHOSEN = ALL.slice(0, Number(process.env['CHAMELEON_TEST_ROUNDS'] ?? ALL.length));

export class Round {
  readonly load: Load;
  readonly random: Random;
  /** What has been begun in it, here or at a supervisor elsewhere (outside.ts). */
  readonly checks: { readonly ended: boolean }[] = [];

  constructor(load: Load, seed: number) {
    this.load = load;
    this.random = new Random(seed);
  }

  /** Watches the supervisor, or that of a ledger together with its books, from now until `end` of what is returned. */
  readonly begin = async (watched: Watched | Ledger): Promise<Invariants> => {
    const check = await Invariants.begin(watched, this.load, this.random.stream());
    this.checks.push(check);
    return check;
  };
}

function expectEnded({ checks }: Round): void {
  expect(checks.length, 'a round asserts the invariants').toBeGreaterThan(0);
  expect(
    checks.filter(({ ended }) => !ended),
    'a round ends what it has begun to watch',
  ).toEqual([]);
}

interface RoundsOptions {
  /** For all that the test does, in milliseconds. Default that of the suite. */
  timeout?: number;
  skip?: boolean;
}

/** Registers the rounds of a fault; the title begins with its number. */
export function rounds(title: string, run: (round: Round) => Promise<void>, options: RoundsOptions = {}): void {
  for (const { load, seed } of CHOSEN) {
    test(`${title}, ${load}, seed ${seed}`, options, async () => {
      const round = new Round(load, seed);
      await run(round);
      expectEnded(round);
    });
  }
}
