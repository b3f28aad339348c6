/**
 * How long work of ours holds the event loop. Two clocks must agree: how late a timer fires, which counts what the machine did for
 * others, and the processor's time, which counts other threads. What both of them show, two pauses of the garbage collector taken off, is
 * ours.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { expect } from 'vitest';

/** No input may hold the event loop for longer. */
export const HELD_MS = 50;

const TICK_MS = 2;
const ROUNDS = 6;
/**
 * A known piece of work, like that which is judged, and the time that it takes at the full speed of the machine for which the limit was
 * set: at half its speed V8 takes 55 ms to make an array of four million members larger, which no slice can interrupt.
 */
const KNOWN_TEXT = JSON.stringify(Array.from({ length: 40_000 }, (_, i) => ({ id: i, text: `item ${i}`, tags: [i, [i]] })));
const KNOWN_ROUNDS = 4;
const KNOWN_MS = 27;

interface Hold {
  from: number;
  to: number;
  busyMs: number;
}

/** The longest hold while `act` ran, in milliseconds. */
export async function longestHold(act: () => unknown): Promise<number> {
  const holds: Hold[] = [];
  const pauses: { startTime: number; duration: number }[] = [];
  const observer = new PerformanceObserver((list) => void pauses.push(...list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  let cpu = process.cpuUsage();
  let from = performance.now();
  const tick = (): void => {
    const to = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    holds.push({ from, to, busyMs: (user + system) / 1_000 });
    from = performance.now();
    cpu = process.cpuUsage();
  };
  const timer = setInterval(tick, TICK_MS);
  try {
    await act();
  } finally {
    tick();
    clearInterval(timer);
    // The observer is told in a turn of its own.
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    observer.disconnect();
  }
  return Math.max(...holds.map((hold) => Math.min(hold.to - hold.from, hold.busyMs) - pausedMs(hold, pauses)));
}

/** Other work of the machine only ever adds, so that the best of some rounds is what it costs; the first that is good enough is enough. */
export async function expectNeverHeld(what: string, act: () => unknown): Promise<void> {
  let best = Infinity;
  for (let round = 0; round < ROUNDS && best >= HELD_MS; round++) {
    const held = await longestHold(act);
    best = Math.min(best, held < HELD_MS ? held : held / slowness());
  }
  expect(best, `${what}: held the event loop for so many milliseconds`).toBeLessThan(HELD_MS);
}

/** By how much the machine is slower at this moment than the one for which the limit was set; 1 where it is not. */
function slowness(): number {
  const times = Array.from({ length: KNOWN_ROUNDS }, () => timed(() => JSON.parse(KNOWN_TEXT) as unknown)[1]);
  return Math.max(1, Math.min(...times) / KNOWN_MS);
}

/** The same for work that is done at once, and can be done again with the same outcome. `what` names the input. */
export function expectBrief<T>(what: () => string, act: () => T): T {
  const round = (): [T, number] => {
    const [value, ms] = timed(act);
    return [value, ms < HELD_MS ? ms : ms / slowness()];
  };
  const [value, first] = round();
  let best = first;
  for (let times = 1; times < ROUNDS && best >= HELD_MS; times++) best = Math.min(best, round()[1]);
  // Named only when it matters: some inputs are large.
  if (best >= HELD_MS) expect.fail(`${what()}: held the event loop for ${best} ms`);
  return value;
}

function timed<T>(act: () => T): [T, number] {
  const at = performance.now();
  const cpu = process.cpuUsage();
  const value = act();
  const { user, system } = process.cpuUsage(cpu);
  return [value, Math.min(performance.now() - at, (user + system) / 1_000)];
}

/**
 * The two longest pauses of the collector in this time: V8 collects young objects in a task between two turns, and again where the next
 * turn fills what room is left. More of them come of making garbage without ever letting go.
 */
function pausedMs({ from, to }: Hold, pauses: readonly { startTime: number; duration: number }[]): number {
  const lengths = pauses.map(({ startTime, duration }) => Math.max(0, Math.min(to, startTime + duration) - Math.max(from, startTime)));
  const [longest = 0, second = 0] = lengths.toSorted((a, b) => b - a);
  return longest + second;
}
