/**
 * Children that were started ahead of need, kept per set of launch options. Owns how many there are, and when one is started; what a
 * child does while it waits is spare.ts's.
 *
 * 1. One spare is started at a time, and none while children that are wanted now are being started, unless those take long.
 * 2. Spares that die are replaced with growing pauses.
 * 3. After `close()` resolved nothing of any spare is left.
 */
import type { Release } from '../catalog/release.ts';
import type { ResolvedPluginOptions } from '../options.ts';
import { newMarker } from '../process/orphans.ts';
import type { SpawnPlan } from '../process/spawn.ts';
import { exponentialDelay } from '../resilience/backoff.ts';
import { deferred } from '../util/deferred.ts';
import { within } from '../util/within.ts';
import { keyOf, sparePlan } from './launch.ts';
import { Spare } from './spare.ts';
import { performance } from '../util/timers.ts';

export interface SparesOptions {
  /** Of each set. */
  count: number;
  /** The starts of children that are wanted now. */
  starts: { readonly pending: number; onIdle(): Promise<void> };
  random(): number;
}

/** What an instance begins with. A spare that is not wanted after all is to be ended. */
export interface Beginning {
  readonly marker: string;
  readonly spare: Spare | null;
}

/** The claim of one deployment. */
export interface Claim {
  /** What its next child begins with: a spare that has just proved that it lives, or a marker alone. */
  take(): Promise<Beginning>;
  /** Its deployment starts no more children. */
  end(): void;
}

/** Children that are alike. */
class Kind {
  readonly key: string;
  readonly plan: SpawnPlan;
  claims = 0;
  failures = 0;
  /** On the monotonic clock. */
  notBefore = 0;
  /** Up, the oldest first. */
  readonly warm: { spare: Spare; since: number }[] = [];
  booting: Spare | null = null;

  constructor(key: string, plan: SpawnPlan) {
    this.key = key;
    this.plan = plan;
  }
}

/** For this long nothing is being started before a spare is. */
const QUIET_MS = 50;
/** Starts that take longer do not wait for the processor, but for something else. */
const PATIENCE_MS = 2_000;
const WARM_WITHIN_MS = 10_000;
/** A cold start is faster than one that takes longer to say that it lives. */
const PROOF_MS = 250;
const BACKOFF = { backoffMs: 200, maxBackoffMs: 30_000 };
/** Who waited this long did not die of how it was started. */
const LIFE_MS = 10_000;

export class Spares {
  readonly #options: SparesOptions;
  #count: number;
  readonly #kinds = new Map<string, Kind>();
  /** All that are neither adopted nor gone. */
  readonly #all = new Set<Spare>();
  #changed = deferred<void>();
  readonly #over = deferred<void>();
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: SparesOptions) {
    this.#options = options;
    this.#count = options.count;
  }

  /** How many are ready to be taken. */
  get waiting(): number {
    return [...this.#kinds.values()].flatMap(({ warm }) => warm).filter(({ spare }) => spare.isWaiting).length;
  }

  /** From now on there are so many of each kind. */
  resize(count: number): void {
    this.#count = count;
    for (const kind of this.#kinds.values()) this.#trim(kind, count);
    this.#tell();
  }

  /** From now on spares wait that fit this release; `isAsleep`: any that fit it alone not before its first child. */
  claim(release: Release, options: ResolvedPluginOptions, isAsleep = false): Claim {
    let kind: Kind | null = null;
    let isOver = false;
    /** Our environment may have changed since. */
    const follow = (plan: SpawnPlan | null): void => {
      const key = plan === null || isOver || this.#closed ? null : keyOf(plan);
      if (key === (kind?.key ?? null)) return;
      const before = kind;
      kind = key === null ? null : this.#kindOf(key, plan!);
      if (before !== null) this.#unclaim(before);
    };
    const plan = sparePlan(release, options);
    // A thousand that sleep would each have a process after all.
    if (!isAsleep || plan?.cwd !== release.dir) follow(plan);
    return {
      take: async () => {
        if (this.#count > 0 || kind === null) follow(sparePlan(release, options));
        return (kind && (await this.#take(kind))) ?? { marker: await newMarker(), spare: null };
      },
      end: () => {
        isOver = true;
        follow(null);
      },
    };
  }

  /** Ends all of them. From now on there are none. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#over.resolve();
    this.#tell();
    for (const kind of this.#kinds.values()) this.#trim(kind, 0);
    await Promise.all([this.#running, ...[...this.#all].map((spare) => spare.end())]);
  }

  #kindOf(key: string, plan: SpawnPlan): Kind {
    const kind = this.#kinds.get(key) ?? new Kind(key, plan);
    this.#kinds.set(key, kind);
    kind.claims++;
    this.#tell();
    return kind;
  }

  #unclaim(kind: Kind): void {
    if (--kind.claims > 0) return;
    this.#kinds.delete(kind.key);
    this.#trim(kind, 0);
    void kind.booting?.end();
  }

  #trim(kind: Kind, count: number): void {
    for (const { spare } of kind.warm.splice(count)) void spare.end();
  }

  async #take(kind: Kind): Promise<Beginning | null> {
    for (let next = kind.warm.shift(); next !== undefined; next = kind.warm.shift()) {
      this.#tell();
      const { spare } = next;
      const asked = performance.now();
      if (await spare.proves(PROOF_MS)) {
        kind.failures = 0;
        return { marker: spare.marker, spare };
      }
      void spare.end();
      if (performance.now() - asked >= PROOF_MS) return null;
    }
    return null;
  }

  /** There may be something to start, or an end to it. */
  #tell(): void {
    this.#changed.resolve();
    this.#changed = deferred<void>();
    if (!this.#closed && this.#count > 0) this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const changed = this.#changed.promise;
      const lacking = [...this.#kinds.values()].filter(({ warm }) => warm.length < this.#count).sort((a, b) => a.notBefore - b.notBefore);
      const kind = lacking[0];
      if (kind === undefined) await changed;
      else if (kind.notBefore > performance.now()) await within(kind.notBefore - performance.now(), changed);
      else if (await this.#isQuiet()) await this.#start(kind);
    }
  }

  /** Keeps 1. False once it is closed. */
  async #isQuiet(): Promise<boolean> {
    const { starts } = this.#options;
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      await within(QUIET_MS, this.#over.promise);
      const left = until - performance.now();
      if (this.#closed || starts.pending === 0 || left <= 0) return !this.#closed;
      await within(left, Promise.race([starts.onIdle(), this.#over.promise]));
    }
  }

  async #start(kind: Kind): Promise<void> {
    const marker = await newMarker();
    if (this.#closed || kind.claims === 0) return;
    const spare = (kind.booting = new Spare(kind.plan, marker));
    const since = performance.now();
    this.#all.add(spare);
    void spare.gone.then(() => {
      this.#all.delete(spare);
      const at = kind.warm.findIndex((each) => each.spare === spare);
      if (at !== -1) this.#failed(kind, kind.warm.splice(at, 1)[0]!.since);
    });
    const isUp = await spare.proves(WARM_WITHIN_MS);
    kind.booting = null;
    if (isUp && kind.claims > 0 && kind.warm.length < this.#count) {
      kind.warm.push({ spare, since });
      return;
    }
    void spare.end();
    if (!isUp) this.#failed(kind, since);
  }

  /** Keeps 2. */
  #failed(kind: Kind, since: number): void {
    const now = performance.now();
    kind.failures = now - since < LIFE_MS ? kind.failures + 1 : 1;
    kind.notBefore = now + exponentialDelay(kind.failures, BACKOFF, this.#options.random);
    this.#tell();
  }
}
