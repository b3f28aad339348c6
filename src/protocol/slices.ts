/**
 * Parsing that never holds up the event loop: a few milliseconds a turn for all that is being parsed, each in its turn.
 *
 * 1. `done` is called once, never before `parseInSlices` has returned, and not at all after the returned function was.
 */
import { SlicedJson } from './sliced-json.ts';

/** A call and its answer may wait for one each. */
const SLICE_MS = 4;

/** `structure`: about how many values there are in it. */
export type Parsed = { kind: 'value'; value: unknown; structure: number } | { kind: 'no-json'; reason: string };

interface Job {
  readonly json: SlicedJson;
  readonly done: (parsed: Parsed) => void;
}

const jobs: Job[] = [];
let isScheduled = false;

/** `bytes` are its own from now on. The returned function gives up. */
export function parseInSlices(bytes: Buffer, done: (parsed: Parsed) => void): () => void {
  const job = { json: new SlicedJson(bytes), done };
  jobs.push(job);
  schedule();
  return () => {
    const at = jobs.indexOf(job);
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
      const job = jobs.shift()!;
      const parsed = workOn(job.json, until);
      if (parsed === null) jobs.push(job);
      else job.done(parsed);
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
