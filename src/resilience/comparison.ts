/**
 * Decides whether a new version is worse than the old one, by calls of both. Pure.
 *
 * 1. Only calls of the same methods are compared in time, as many of each on both sides: another mix of calls is no slower version.
 * 2. Time in which the machine let a call wait is not the version's.
 * 3. A call that failed on both versions says nothing against the new one.
 */
import type { Thresholds } from '../options.ts';
import type { RecentCall } from './recent.ts';

/** A difference that is smaller is the machine's, however large the ratio. */
const NOTICEABLE_MS = 20;

export interface ComparedCall extends Pick<RecentCall, 'method' | 'ranMs' | 'failed'> {
  /** Of `ranMs`, the most that it can have waited for a processor, or for our own event loop. */
  waitedMs: number;
}

/** Both with the oldest first. */
export interface Compared {
  candidate: readonly ComparedCall[];
  stable: readonly ComparedCall[];
}

export interface Worse {
  reason: 'failure-ratio' | 'slow';
  detail: string;
}

/**
 * Null: no more of its calls fail, or there were too few to say.
 * `again`: what became of calls that ran on the old version after they had failed on the new one.
 */
export function failsMore(
  { candidate, stable }: Compared,
  again: readonly { failed: boolean }[],
  { maxFailureRatio, minCalls }: Thresholds,
): Worse | null {
  if (maxFailureRatio === null || candidate.length < Math.max(1, minCalls)) return null;
  const [failed, before] = [failureRatio(candidate) * (1 - failureRatio(again)), failureRatio(stable)];
  if (failed <= before + maxFailureRatio) return null;
  return {
    reason: 'failure-ratio',
    detail: `${percent(failed)} of its last ${candidate.length} calls failed, ${percent(before)} of the old version's`,
  };
}

/**
 * Null: it is not slower than the old one was before, or there were too few calls to say. Both in its own time and in the whole time: what a
 * call waited is an upper bound, as some of it may have passed while the call only slept. The whole time is noisy where a machine
 * is busy, so that the root of the ratio is enough there. Where most calls are slower the middle tells so through that noise.
 */
export function isSlower(compared: Compared, { maxP95Ratio, minCalls }: Thresholds): Worse | null {
  const [candidate, stable] = alike(compared);
  if (maxP95Ratio === null || candidate.length < Math.max(1, minCalls)) return null;
  const [own, ownBefore] = [percentile(candidate, 95, ownMs), percentile(stable, 95, ownMs)];
  const [all, allBefore] = [percentile(candidate, 95), percentile(stable, 95)];
  if (exceeds(own, ownBefore, maxP95Ratio) && all > allBefore * Math.sqrt(maxP95Ratio))
    return { reason: 'slow', detail: `its 95th percentile is ${milliseconds(all)}, the old version's ${milliseconds(allBefore)}` };
  const isOwn = percentile(candidate, 50, ownMs) - percentile(stable, 50, ownMs) >= NOTICEABLE_MS;
  return isOwn && exceeds(percentile(candidate, 25), percentile(stable, 50), maxP95Ratio) ? mostlySlower(candidate, stable) : null;
}

/**
 * The same for calls that both versions had at the same time. What the machine does then adds to both, so that calls are compared one by
 * one: a version is slower where three calls in four are, and by more than the ratio allows over the old version's undisturbed calls.
 */
export function isSlowerBeside(compared: Compared, thresholds: Thresholds): Worse | null {
  const { maxP95Ratio, minCalls } = thresholds;
  const [candidate, stable] = alike(compared);
  if (maxP95Ratio === null || candidate.length < Math.max(1, minCalls)) return null;
  const later = candidate.map(({ ranMs }, i) => ranMs - stable[i]!.ranMs).toSorted((a, b) => a - b);
  const [least, middle] = [25, 50].map((rank) => later[Math.ceil((later.length * rank) / 100) - 1]!) as [number, number];
  const isShifted = least >= NOTICEABLE_MS && middle > percentile(stable, 10) * (maxP95Ratio - 1);
  return isShifted ? mostlySlower(candidate, stable) : isSlower(compared, thresholds);
}

function mostlySlower(candidate: readonly ComparedCall[], stable: readonly ComparedCall[]): Worse {
  const [middle, before] = [candidate, stable].map((calls) => milliseconds(percentile(calls, 50)));
  return { reason: 'slow', detail: `half of its calls take more than ${middle}, of the old version's more than ${before}` };
}

function exceeds(ms: number, beforeMs: number, maxRatio: number): boolean {
  return ms > beforeMs * maxRatio && ms - beforeMs >= NOTICEABLE_MS;
}

/** Whether it may be slower, or the machine busier than it was: to be looked into, so that a quarter of the calls is enough. */
export function seemsSlower(compared: Compared, { maxP95Ratio, minCalls }: Thresholds): boolean {
  const [candidate, stable] = alike(compared);
  if (maxP95Ratio === null || candidate.length < Math.max(1, minCalls / 4)) return false;
  return [50, 95].some((rank) => {
    const [now, before] = [percentile(candidate, rank), percentile(stable, rank)];
    return now - before >= NOTICEABLE_MS && now > before * Math.sqrt(maxP95Ratio);
  });
}

/** The newest calls that did not fail, as many of each method on both sides. */
function alike({ candidate, stable }: Compared): [ComparedCall[], ComparedCall[]] {
  const [ours, theirs] = [countByMethod(candidate), countByMethod(stable)];
  const wanted = (method: string): number => Math.min(ours.get(method) ?? 0, theirs.get(method) ?? 0);
  return [newest(candidate, wanted), newest(stable, wanted)];
}

function countByMethod(calls: readonly ComparedCall[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { method, failed } of calls) if (!failed) counts.set(method, (counts.get(method) ?? 0) + 1);
  return counts;
}

function newest(calls: readonly ComparedCall[], wanted: (method: string) => number): ComparedCall[] {
  const taken = new Map<string, number>();
  return calls.toReversed().filter(({ method, failed }) => {
    const had = taken.get(method) ?? 0;
    if (failed || had === wanted(method)) return false;
    taken.set(method, had + 1);
    return true;
  });
}

function failureRatio(calls: readonly { failed: boolean }[]): number {
  return calls.filter(({ failed }) => failed).length / Math.max(1, calls.length);
}

function percentile(calls: readonly ComparedCall[], rank: number, time = ({ ranMs }: ComparedCall): number => ranMs): number {
  return calls.map(time).toSorted((a, b) => a - b)[Math.ceil((calls.length * rank) / 100) - 1] ?? 0;
}

function ownMs({ ranMs, waitedMs }: ComparedCall): number {
  return Math.max(0, ranMs - waitedMs);
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
const milliseconds = (ms: number): string => `${Math.round(ms * 10) / 10} ms`;
