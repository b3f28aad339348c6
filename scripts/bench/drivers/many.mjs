/**
 * One load on many: `node many.mjs KIND-COUNT MS`. KIND is `running` (so many plugins, in turns call by call), `turns` (so many, one of which at
 * a time has all the calls), `registered` (so many in the plugin folder, of which one runs), or `fork` and `forkturns` (so many bare
 * children). Prints what a call costs as JSON.
 */
import { createSupervisor } from '../../../dist/src/index.js';
import { open as openFork } from '../subjects/fork.mjs';
import { withPlugins } from './folder.mjs';
import { closedLoopFor, WARM_UP_MS } from './load.mjs';

const IN_FLIGHT = 100;
const TEXT = 'hello';
/** With one of them, before it is the next one's turn: some ten milliseconds. */
const CALLS_A_TURN = 1_000;
/** Fewer leave the code of a child uncompiled. */
const WARM_UP_CALLS = 5_000;

const [kind, count] = process.argv[2].split('-');
const durationMs = Number(process.argv[3]);

async function checked(call) {
  const answer = await call(TEXT);
  if (answer !== TEXT) throw new Error(`answered ${JSON.stringify(answer)}`);
}

/** Throughput, and the processor time of this process for each call. `load` resolves with answers per second. */
async function measured(load) {
  const before = process.cpuUsage();
  const from = performance.now();
  const perSecond = await load();
  const { user, system } = process.cpuUsage(before);
  return { perSecond, hostUs: ((user + system) * 1000) / (perSecond * (performance.now() - from)) };
}

/** So many calls of one of them. */
async function turn(call, times) {
  let made = 0;
  const lane = async () => {
    while (made++ < times) await checked(call);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

/** The calls in flight are shared evenly. */
async function together(calls) {
  let next = 0;
  const load = (ms) => closedLoopFor(ms, IN_FLIGHT, () => checked(calls[next++ % calls.length]));
  for (const call of calls) await turn(call, WARM_UP_CALLS);
  await load(Math.max(durationMs, WARM_UP_MS));
  return measured(() => load(durationMs));
}

/** All calls in flight are one's, and then the next one's: what is written and read at once is as much however many there are. */
async function inTurns(calls) {
  for (const call of calls) await turn(call, WARM_UP_CALLS);
  return measured(async () => {
    const from = performance.now();
    let turns = 0;
    for (; performance.now() - from < durationMs || turns % calls.length > 0; turns++) await turn(calls[turns % calls.length], CALLS_A_TURN);
    return (turns * CALLS_A_TURN * 1000) / (performance.now() - from);
  });
}

async function supervised(running, load) {
  return withPlugins(Number(count), async (pluginDir) => {
    const names = Array.from({ length: running }, (_, i) => `echo-${i}`);
    const plugins = Object.fromEntries(names.map((name) => [name, { lazy: false }]));
    const supervisor = await createSupervisor({ pluginDir, defaults: { lazy: true, startTimeoutMs: 60_000 }, plugins, strict: true });
    try {
      return await load(names.map((name) => (text) => supervisor.call(name, 'echo', [text])));
    } finally {
      await supervisor.close();
    }
  });
}

async function forked(load) {
  const children = await Promise.all(Array.from({ length: Number(count) }, () => openFork()));
  const came = await load(children.map(({ call }) => call));
  await Promise.all(children.map(({ close }) => close()));
  return came;
}

const kinds = {
  running: () => supervised(Number(count), together),
  turns: () => supervised(Number(count), inTurns),
  registered: () => supervised(1, together),
  fork: () => forked(together),
  forkturns: () => forked(inTurns),
};
process.stdout.write(JSON.stringify(await kinds[kind]()));
process.exit(0);
