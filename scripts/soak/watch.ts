/** What the supervisor's own process holds: memory, descriptors, handles, children. Looked at whenever all is at rest, so that what
 * leaks is told from what is under way. */
import { readdirSync } from 'node:fs';
import type { Supervisor } from '../../src/index.ts';
import { processesMarked } from '../../src/process/marker.ts';
import type { Records } from './records.ts';
import { until } from './until.ts';
import type { Verdict } from './verdict.ts';

const LOOK_MS = 5_000;
const GROWTH = 0.1;
/** Less than this is noise. */
const SLACK_BYTES = 2 * 2 ** 20;
const GONE_MS = 6_000;
const TOLERANCE = 2;
/** Of one instance: two outputs and the channel; those, its process, and the timer of its liveness. */
const INSTANCE = { descriptors: 3, handles: 5 };

/** What is held besides what instances may hold. */
export interface Held {
  descriptors: number;
  handles: number;
}

/** At rest: no call, no fault, one instance for each plugin; after a garbage collection. */
export interface Rest extends Held {
  atMs: number;
  calls: number;
  faults: number;
  heapBytes: number;
  /** Less what the soak itself keeps of its calls. */
  residentBytes: number;
}

export class Watch {
  readonly rests: Rest[] = [];
  readonly #supervisor: Supervisor;
  readonly #verdict: Verdict;
  readonly #startedAt = performance.now();
  readonly #atFirst = resources().length;
  #timer: NodeJS.Timeout | null = null;
  #suspects = new Map<number, number>();

  constructor(supervisor: Supervisor, verdict: Verdict) {
    this.#supervisor = supervisor;
    this.#verdict = verdict;
    process.on('warning', (warning) => verdict.add('process warning', null, `${warning.name}: ${warning.message}`));
    process.on('unhandledRejection', (reason) => verdict.add('unhandled rejection', null, reason instanceof Error ? reason.stack! : String(reason)));
    supervisor.on('plugin-failed', ({ plugin, error }) => {
      // A candidate that is given up is a plugin that serves on.
      if (supervisor.status(plugin).versions.some(({ active, state }) => active && state === 'failed'))
        verdict.add('gave up', null, `${plugin}: ${error.message}`);
    });
    supervisor.on('instance-crashed', ({ plugin, exit }) => {
      if (plugin === 'bystander') verdict.add('bystander failed', null, `its process ended: ${exit.cause}`);
    });
  }

  start(): void {
    this.#timer = setInterval(() => void this.#lookForOrphans(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer ?? undefined);
  }

  held(): Held {
    const instances = this.#instances().length;
    return {
      descriptors: readdirSync('/proc/self/fd').length - instances * INSTANCE.descriptors,
      handles: resources().length - instances * INSTANCE.handles,
    };
  }

  /** Medians of the first quarter of the rests and of the last one. */
  quarters(of: 'heapBytes' | 'residentBytes' | 'descriptors' | 'handles'): { first: number; last: number } {
    const quarter = Math.ceil(this.rests.length / 4);
    const values = this.rests.map((rest) => rest[of]);
    return { first: median(values.slice(0, quarter)), last: median(values.slice(-quarter)) };
  }

  judgeTrend(): void {
    const { first, last } = this.quarters('heapBytes');
    if (last > first * (1 + GROWTH) + SLACK_BYTES) this.#verdict.add('memory grows', null, `heap of ${first} bytes, then ${last}`);
  }

  /** Waits until all is at rest: one ready instance for each plugin, no call, and nothing held that was not held before. And writes it down. */
  async rest(baseline: Held, records: Records, faults: number): Promise<void> {
    const gauges = (): string[] =>
      this.#supervisor.status().plugins.flatMap(({ name, versions }) => {
        const held = versions.reduce((sum, { inFlight, queued, queuedBytes }) => sum + inFlight + queued + queuedBytes, 0);
        const states = versions.flatMap((version) => version.instances.map(({ state }) => state)).join();
        return held === 0 && versions.length === 1 && states === 'ready'
          ? []
          : [`${name}: ${versions.length} versions, ${states}, ${held} in calls and bytes`];
      });
    if (!(await until(() => gauges().length === 0, 20_000))) for (const text of gauges()) this.#verdict.add('gauges not zero', null, text);
    const isBack = (key: keyof Held): boolean => this.held()[key] <= baseline[key] + TOLERANCE;
    for (const [key, violation] of [
      ['descriptors', 'descriptors grow'],
      ['handles', 'handles grow'],
    ] as const)
      if (!(await until(() => isBack(key), 10_000)))
        this.#verdict.add(violation, null, `${this.held()[key]} at rest, ${baseline[key]} before: ${tally(resources())}`);
    collectGarbage();
    const { heapUsed: heapBytes, rss } = process.memoryUsage();
    const atMs = Math.round(performance.now() - this.#startedAt);
    this.rests.push({ atMs, calls: records.count, faults, heapBytes, residentBytes: rss - records.bytes, ...this.held() });
  }

  /** After the supervisor was closed and all of ours is stopped: nothing of it keeps this process alive. */
  async judgeClosed(): Promise<void> {
    if (!(await until(() => resources().length <= this.#atFirst, GONE_MS)))
      this.#verdict.add('handles grow', null, `${resources().length} after close(), ${this.#atFirst} at first: ${tally(resources())}`);
  }

  /** After the supervisor was closed: the processes that carry our marker. */
  async judgeOrphans(): Promise<void> {
    const ours = async (): Promise<number[]> => (await processesMarked((marker) => marker.startsWith(`${process.pid}-`))).map(({ pid }) => pid);
    if (!(await until(async () => (await ours()).length === 0, GONE_MS))) this.#verdict.add('orphans', null, `${(await ours()).join()} live on`);
  }

  /** While it runs: a process whose instance is not there any more, and that is seen so for too long. */
  async #lookForOrphans(): Promise<void> {
    const marked = await processesMarked((marker) => marker.startsWith(`${process.pid}-`));
    const known = new Set(this.#instances());
    const now = performance.now();
    const suspects = new Map<number, number>();
    for (const { pid, marker } of marked) if (!known.has(marker)) suspects.set(pid, this.#suspects.get(pid) ?? now);
    for (const [pid, since] of suspects) {
      if (now - since < GONE_MS) continue;
      this.#verdict.add('orphans', null, `${pid} has outlived its instance for ${Math.round(now - since)} ms`);
      suspects.set(pid, Infinity);
    }
    this.#suspects = suspects;
  }

  #instances(): string[] {
    return this.#supervisor.status().plugins.flatMap(({ versions }) => versions.flatMap(({ instances }) => instances.map(({ id }) => id)));
  }
}

/** What keeps this process alive; what is being read or is due this turn comes and goes. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => !/^FSReq|Immediate|Tick/.test(kind));
}

function tally(kinds: readonly string[]): string {
  return [...new Set(kinds)].map((kind) => `${kinds.filter((each) => each === kind).length} ${kind}`).join(', ');
}

function collectGarbage(): void {
  if (typeof globalThis.gc !== 'function') throw new Error('run it with --expose-gc, as `npm run soak` does');
  globalThis.gc();
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
