/**
 * Parsing that never holds up the event loop: a few milliseconds a turn for all that is being parsed, each in its turn.
 *
 * 1. `done` is called once, never before `parseInSlices` has returned, and not at all after the returned function was.
 * 2. A step of `inSlices` is not taken before it has returned, nor after the returned function was called, unless that is by itself.
 * 3. All that is being parsed holds at most `MAX_UNFINISHED_VALUES` values, and those of the oldest message.
 */
import type { Outline } from './outline.ts';
import { SlicedJson } from './sliced-json.ts';
import { performance, setImmediate } from '../util/timers.ts';

/** A call and its answer may wait for one each. */
const SLICE_MS = 4;
/** Of all messages together. A value takes some 50 to 150 bytes of the heap. */
const MAX_UNFINISHED_VALUES = 2 ** 19;

/** `values` counts arrays, objects, and what is in them. */
export type Parsed = { kind: 'value'; value: unknown } | { kind: 'too-many'; outline: Outline; values: number } | { kind: 'no-json'; reason: string };

/** Goes on until then, on the monotonic clock; true when it is done. */
type Step = (until: number) => boolean;

/** In the order in which they began. */
const parsing = new Set<SlicedJson>();
const jobs: Step[] = [];
let isScheduled = false;

/** `bytes` are its own from now on. The returned function gives up. */
export function parseInSlices(bytes: Buffer, maxValues: number, done: (parsed: Parsed) => void): () => void {
  const json = new SlicedJson(bytes, maxValues);
  parsing.add(json);
  const giveUp = inSlices((until) => {
    if (mustWait(json)) return false;
    const parsed = workOn(json, until);
    if (parsed === null) return false;
    parsing.delete(json);
    done(parsed);
    return true;
  });
  return () => {
    parsing.delete(json);
    giveUp();
  };
}

/** Keeps 3: the oldest goes on in any case, so each of them ends. */
function mustWait(json: SlicedJson): boolean {
  let values = 0;
  let isOldest = true;
  for (const each of parsing) {
    if (each === json && isOldest) return false;
    isOldest = false;
    values += each.outline === null ? each.values : 0;
    if (values > MAX_UNFINISHED_VALUES) return true;
  }
  return false;
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
    while (!json.step()) if (performance.now() >= until) return null;
    const { outline, values, value } = json;
    return outline === null ? { kind: 'value', value } : { kind: 'too-many', outline, values };
  } catch (error) {
    return { kind: 'no-json', reason: (error as Error).message };
  }
}
