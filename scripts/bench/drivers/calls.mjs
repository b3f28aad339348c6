/**
 * Drives one subject in a process of its own: `node calls.mjs SUBJECT MS`, each phase lasting `MS`. Prints what it measured as JSON.
 * Plain JavaScript, so that no loader stands on the path that is measured. Every answer is checked.
 */
const IN_FLIGHT = 100;
const TEXT = 'hello';
/** Less leaves code uncompiled. */
const WARM_UP_MS = 500;

const [name, ms] = process.argv.slice(2);
const phaseMs = Number(ms);
const { open } = await import(`../subjects/${name}.mjs`);
const { call, close } = await open();

function check(answer) {
  if (answer !== TEXT) throw new Error(`${name} answered ${JSON.stringify(answer)}`);
}

/** One call after the other. Milliseconds of each, sorted. */
async function sequential(durationMs) {
  const latencies = [];
  const end = performance.now() + durationMs;
  for (let from = performance.now(); from < end;) {
    check(await call(TEXT));
    const to = performance.now();
    latencies.push(to - from);
    from = to;
  }
  return latencies.sort((a, b) => a - b);
}

/** Every answer is followed by another call, so that `IN_FLIGHT` are always under way. Answers per second. */
async function throughput(durationMs) {
  const start = performance.now();
  let answered = 0;
  let over = false;
  setTimeout(() => (over = true), durationMs);
  const lane = async () => {
    while (!over) {
      check(await call(TEXT));
      answered++;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return (answered / (performance.now() - start)) * 1000;
}

await throughput(Math.max(phaseMs, WARM_UP_MS));
await sequential(phaseMs);
const perSecond = await throughput(phaseMs);
const latencies = await sequential(phaseMs);
await close();
const at = (share) => latencies[Math.floor(latencies.length * share)];
process.stdout.write(JSON.stringify({ perSecond, p50Us: at(0.5) * 1000, p99Us: at(0.99) * 1000 }));
process.exit(0);
