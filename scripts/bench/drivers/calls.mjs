/**
 * Drives one subject in a process of its own: `node calls.mjs SUBJECT MS`, each phase lasting `MS`. Prints what it measured as JSON.
 * Plain JavaScript, so that no loader stands on the path that is measured. Every answer is checked.
 */
import { closedLoopFor, percentile, WARM_UP_MS } from './load.mjs';

const IN_FLIGHT = 100;
const TEXT = 'hello';

const [name, ms] = process.argv.slice(2);
const phaseMs = Number(ms);
const { open } = await import(`../subjects/${name}.mjs`);
const { call, close } = await open();

function check(answer) {
  if (answer !== TEXT) throw new Error(`${name} answered ${JSON.stringify(answer)}`);
}

/** One call after the other. Milliseconds of each. */
async function sequential(durationMs) {
  const latencies = [];
  const end = performance.now() + durationMs;
  for (let from = performance.now(); from < end;) {
    check(await call(TEXT));
    const to = performance.now();
    latencies.push(to - from);
    from = to;
  }
  return latencies;
}

/** Answers per second. */
const throughput = (durationMs) => closedLoopFor(durationMs, IN_FLIGHT, async () => check(await call(TEXT)));

await throughput(Math.max(phaseMs, WARM_UP_MS));
await sequential(phaseMs);
const perSecond = await throughput(phaseMs);
const latencies = await sequential(phaseMs);
await close();
const at = (share) => percentile(latencies, share);
process.stdout.write(JSON.stringify({ perSecond, p50Us: at(0.5) * 1000, p99Us: at(0.99) * 1000 }));
process.exit(0);
