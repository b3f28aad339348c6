/**
 * Counts and histograms by plugin, version and method. Sees only calls that are over; gauges are the supervisor's.
 *
 * 1. Names come from callers: a method that the plugin does not have is counted under one name, and so is whatever is over `MAX_METHODS`.
 * 2. Of each plugin the `MAX_VERSIONS` versions are kept whose first call came last.
 */
import type { Telemetry } from '../events.ts';
import type { MethodMetrics, VersionMetrics } from '../types.ts';
import { Histogram } from './histogram.ts';
import { performance } from '../util/timers.ts';

const UNKNOWN_METHOD = '(unknown)';
/** As many as a plugin may have. While it has not been ready, any name may be one. */
const MAX_METHODS = 1_000;
const MAX_VERSIONS = 20;

interface Tally {
  calls: number;
  succeeded: number;
  retries: number;
  failures: Map<string, number>;
  waiting: Histogram;
  running: Histogram;
}

interface VersionTally {
  methods: Map<string, Tally>;
  waking: Histogram | null;
}

export class Metrics implements Telemetry {
  #since = performance.now();
  readonly #tallies = new Map<string, Map<string, VersionTally>>();

  settled(plugin: string, version: string, method: string, code: string | null, waitingMs: number, runningMs: number): void {
    const tally = this.#tally(plugin, version, code === 'ERR_METHOD_NOT_FOUND' ? UNKNOWN_METHOD : method);
    tally.calls++;
    if (code === null) tally.succeeded++;
    else tally.failures.set(code, (tally.failures.get(code) ?? 0) + 1);
    tally.waiting.record(waitingMs);
    if (runningMs >= 0) tally.running.record(runningMs);
  }

  retried(plugin: string, version: string, method: string): void {
    this.#tally(plugin, version, method).retries++;
  }

  sinceMs(): number {
    return Math.round(performance.now() - this.#since);
  }

  methods(plugin: string, version: string): Record<string, MethodMetrics> {
    const tallies = this.#tallies.get(plugin)?.get(version)?.methods ?? new Map<string, Tally>();
    return Object.fromEntries([...tallies].map(([method, tally]) => [method, snapshot(tally)]));
  }

  woken(plugin: string, version: string, ms: number): void {
    (this.#version(plugin, version).waking ??= new Histogram()).record(ms);
  }

  wakes(plugin: string, version: string): Pick<VersionMetrics, 'wakes' | 'wakingMs'> {
    const waking = this.#tallies.get(plugin)?.get(version)?.waking ?? new Histogram();
    return { wakes: waking.count, wakingMs: waking.distribution() };
  }

  reset(plugin?: string): void {
    if (plugin === undefined) this.#tallies.clear();
    else this.#tallies.delete(plugin);
    this.#since = performance.now();
  }

  #tally(plugin: string, version: string, method: string): Tally {
    const { methods } = this.#version(plugin, version);
    return entry(methods, methods.size < MAX_METHODS || methods.has(method) ? method : UNKNOWN_METHOD, newTally);
  }

  #version(plugin: string, version: string): VersionTally {
    const versions = entry(this.#tallies, plugin, () => new Map<string, VersionTally>());
    const tally = entry(versions, version, () => ({ methods: new Map<string, Tally>(), waking: null }));
    if (versions.size > MAX_VERSIONS) versions.delete(versions.keys().next().value!);
    return tally;
  }
}

function entry<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

const newTally = (): Tally => ({
  calls: 0,
  succeeded: 0,
  retries: 0,
  failures: new Map(),
  waiting: new Histogram(),
  running: new Histogram(),
});

function snapshot(tally: Tally): MethodMetrics {
  const { calls, succeeded, retries } = tally;
  return {
    calls,
    succeeded,
    failed: calls - succeeded,
    failuresByCode: Object.fromEntries(tally.failures),
    retries,
    waitingMs: tally.waiting.distribution(),
    runningMs: tally.running.distribution(),
  };
}
