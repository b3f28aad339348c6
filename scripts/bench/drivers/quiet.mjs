/** One caller that is quiet beside loads that are not. */
import { setTimeout as pause } from 'node:timers/promises';
import { closedLoop, percentile } from './load.mjs';

const TURNS = 4;

/** Calls `quiet` once every few milliseconds, for `ms` beside each of the loads (calls in flight and a call; null for none), in turns. */
export async function beside(loads, quiet, ms) {
  const measured = Object.fromEntries(Object.keys(loads).map((subject) => [subject, []]));
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [subject, load] of Object.entries(loads)) {
      const busy = load === null ? null : closedLoop(...load);
      measured[subject].push(...(await latencies(quiet, ms / TURNS)));
      await busy?.stop();
    }
  }
  return Object.fromEntries(Object.entries(measured).map(([subject, values]) => [subject, report(values)]));
}

async function latencies(quiet, ms) {
  const all = [];
  for (const end = performance.now() + ms; performance.now() < end;) {
    await pause(1 + (all.length % 3));
    const from = performance.now();
    await quiet();
    all.push(performance.now() - from);
  }
  return all;
}

const report = (values) => ({ p50Us: percentile(values, 0.5) * 1000, p99Us: percentile(values, 0.99) * 1000 });
