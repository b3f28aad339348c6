/**
 * Offers a plugin more and more, as a schedule says and not as answers come back: `node --expose-gc pressure.mjs - MS`, each load lasting
 * `MS`. Capacity is measured first, in a closed loop. Prints what each load came to as JSON. All options are at their defaults but
 * `concurrency`, which makes the capacity known.
 */
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';
import { closedLoopFor, openLoopFor, percentile, WARM_UP_MS } from './load.mjs';

const CONCURRENCY = 20;
const LOADS = [0.5, 0.8, 1, 1.5, 2, 5, 10];
const TEXT = 'hello';

const durationMs = Number(process.argv[3]);
const supervisor = await createSupervisor({ defaults: { concurrency: CONCURRENCY } });
await supervisor.load(fileURLToPath(new URL('../plugins/work', import.meta.url)));
const call = () => supervisor.call('work', 'work', [TEXT]);

/** Goodput is what was answered within the schedule's time; every call is waited for. */
async function offer(perSecond) {
  const latencies = [];
  const refusals = [];
  const late = [];
  const open = new Set();
  const end = performance.now() + durationMs;
  let answered = 0;
  let refused = 0;
  await openLoopFor(durationMs, perSecond, (dueAt) => {
    const madeAt = performance.now();
    late.push(madeAt - dueAt);
    const one = call().then(
      (text) => {
        const now = performance.now();
        if (text !== TEXT) throw new Error(`answered ${JSON.stringify(text)}`);
        latencies.push(now - dueAt);
        if (now <= end) answered++;
      },
      (error) => {
        if (error.code !== 'ERR_QUEUE_FULL') throw error;
        refusals.push(performance.now() - madeAt);
        refused++;
      },
    );
    open.add(one);
    void one.then(() => open.delete(one));
  });
  await Promise.all(open);
  const rate = (count) => (count / durationMs) * 1000;
  return {
    offered: rate(late.length),
    goodput: rate(answered),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    refused: rate(refused),
    refusedP99Us: refused === 0 ? undefined : percentile(refusals, 0.99) * 1000,
    lateP99Ms: percentile(late, 0.99),
  };
}

async function heapBytes() {
  globalThis.gc();
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

await closedLoopFor(WARM_UP_MS, 2 * CONCURRENCY, call);
const capacity = await closedLoopFor(Math.max(durationMs, WARM_UP_MS), 2 * CONCURRENCY, call);
// What overload makes for the first time, such as the text of errors, is no growth.
await offer(2 * capacity);
const before = await heapBytes();
const measured = {};
for (const load of LOADS) {
  const came = await offer(load * capacity);
  measured[`x${load}`] = { ...came, heapBytes: (await heapBytes()) - before };
}
await supervisor.close();
const peak = Math.max(...Object.values(measured).map(({ goodput }) => goodput));
for (const each of Object.values(measured)) each.share = each.goodput / peak;
process.stdout.write(JSON.stringify(measured));
process.exit(0);
