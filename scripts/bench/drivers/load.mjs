/** The two kinds of load, and what latencies come to. */

/** Less leaves code uncompiled. */
export const WARM_UP_MS = 500;
const TURN_MS = 1;
const CLOCK_EVERY = 8;

/** Every answer is followed by another call, so that `inFlight` are always under way, until `stop` is called; it resolves with how many were answered. */
export function closedLoop(inFlight, call) {
  let answered = 0;
  let over = false;
  const lane = async () => {
    while (!over) {
      await call();
      answered++;
    }
  };
  const lanes = Promise.all(Array.from({ length: inFlight }, lane));
  const stop = async () => {
    over = true;
    await lanes;
    return answered;
  };
  return { stop, answered: () => answered };
}

/** Answers per second of a closed loop. */
export async function closedLoopFor(durationMs, inFlight, call) {
  const from = performance.now();
  const loop = closedLoop(inFlight, call);
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  const answered = await loop.stop();
  return (answered / (performance.now() - from)) * 1000;
}

/**
 * Calls `arrive(dueAt)` as a Poisson process does, whether or not earlier calls have come back. A late arrival is told when it was due, so
 * that waiting for a busy event loop counts as waiting. Resolves at the end of the schedule.
 */
export function openLoopFor(durationMs, perSecond, arrive) {
  const random = seeded(1);
  const gap = () => (-Math.log(1 - random()) * 1000) / perSecond;
  const start = performance.now();
  const end = start + durationMs;
  let due = start + gap();
  return new Promise((resolve) => {
    const tick = () => {
      const from = performance.now();
      const until = Math.min(from, end);
      // However far behind, others have their turn, as they have between two requests of a server.
      for (let made = 1; due <= until; due += gap(), made++) {
        arrive(due);
        if (made % CLOCK_EVERY === 0 && performance.now() - from > TURN_MS) return void setImmediate(tick);
      }
      if (due > end) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
}

/** The same numbers from 0 to 1 for the same seed (mulberry32), so that every round has the same schedule. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Of no values there is no percentile: undefined, which JSON leaves out. */
export function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(sorted.length * share)];
}
