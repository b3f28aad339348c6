/** Whether a new version is worse than the old one. Pure. */
import type { Thresholds } from '../options.ts';
import type { Sample } from './recent.ts';

/** A difference that is smaller is the machine's, however large the ratio. */
const NOTICEABLE_MS = 20;

export interface Worse {
  reason: 'failure-ratio' | 'slow';
  detail: string;
}

/** Null: it is as good, or there were too few calls to say. */
export function compare(candidate: Sample, stable: Sample, { maxFailureRatio, maxP95Ratio, minCalls }: Thresholds): Worse | null {
  if (candidate.calls < Math.max(1, minCalls)) return null;
  const [failed, before] = [candidate, stable].map(({ calls, failures }) => failures / Math.max(1, calls)) as [number, number];
  if (maxFailureRatio !== null && failed > before + maxFailureRatio)
    return {
      reason: 'failure-ratio',
      detail: `${percent(failed)} of its last ${candidate.calls} calls failed, ${percent(before)} of the old version's`,
    };
  const isSlower = maxP95Ratio !== null && stable.calls >= minCalls && candidate.p95Ms > stable.p95Ms * maxP95Ratio;
  if (!isSlower || candidate.p95Ms - stable.p95Ms < NOTICEABLE_MS) return null;
  return { reason: 'slow', detail: `its 95th percentile is ${milliseconds(candidate.p95Ms)}, the old version's ${milliseconds(stable.p95Ms)}` };
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
const milliseconds = (ms: number): string => `${Math.round(ms * 10) / 10} ms`;
