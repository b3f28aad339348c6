/**
 * Parsing that never holds up the event loop: a few milliseconds a turn for all that is being parsed, each in its turn.
 *
 * 1. `done` is called once, never before `parseInSlices` has returned, and not at all after the returned function was.
 * 2. A step of `inSlices` is not taken before it has returned, nor after the returned function was called, unless that is by itself.
 */
import { SlicedJson } from './sliced-json.ts';

/** A call and its answer may wait for one each. */
const SLICE_MS = 4;

/** `structure`: about how many values there are in it. */
export type Parsed = { kind: 'value'; value: unknown; structure: number } | { kind: 'no-json'; reason: string };

/** Goes on until then, on the monotonic clock; true when it is done. */
type Step = (until: number) => boolean;

const jobs: Step[] = [];
let isScheduled = false;

/** `bytes` are its own from now on. The returned function gives up. */
export function parseInSlices(bytes: Buffer, done: (parsed: Parsed) => void): () => void {
  const json = new SlicedJson(bytes);
  return inSlices((until) => {
    const parsed = workOn(json, until);
    if (parsed !== null) done(parsed);
    return parsed !== null;
  });
}

/** Other work of which as much may come, in turns with all that is being parsed. The returned function gives up. */
export function inSlices(step: Step): () => void {
  jobs.push(step);
  schedule();
  return () => {
    const at = jobs.indexOf(step);
    if (at !== -1) jobs.splice(at, 1);
  };
}

function schedule(): void {
  if (isScheduled || jobs.length === 0) return;
  isScheduled = true;
  setImmediate(work);
}

function work(): void {
  const until = performance.now() + SLICE_MS;
  try {
    while (jobs.length > 0 && performance.now() < until) {
      const step = jobs.shift()!;
      if (!step(until)) jobs.push(step);
    }
  } finally {
    isScheduled = false;
    schedule();
  }
}

/** Null when time has run out. */
function workOn(json: SlicedJson, until: number): Parsed | null {
  try {
    do if (json.step()) return { kind: 'value', value: json.value, structure: json.structure };
    while (performance.now() < until);
    return null;
  } catch (error) {
    return { kind: 'no-json', reason: (error as Error).message };
  }
}
