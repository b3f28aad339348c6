/**
 * One load, spread evenly over many: `node many.mjs KIND-COUNT MS`. KIND is `running` (so many plugins), `registered` (so many in the plugin
 * folder, of which one runs) or `fork` (so many bare children). Prints what a call costs as JSON.
 */
import { createSupervisor } from '../../../dist/src/index.js';
import { open as openFork } from '../subjects/fork.mjs';
import { withPlugins } from './folder.mjs';
import { closedLoopFor, WARM_UP_MS } from './load.mjs';

const IN_FLIGHT = 100;
const TEXT = 'hello';

const [kind, count] = process.argv[2].split('-');
const durationMs = Number(process.argv[3]);

/** Throughput, and the processor time of this process for each call. */
async function measured(calls) {
  let next = 0;
  let made = 0;
  const call = async () => {
    made++;
    const answer = await calls[next++ % calls.length](TEXT);
    if (answer !== TEXT) throw new Error(`answered ${JSON.stringify(answer)}`);
  };
  await closedLoopFor(Math.max(durationMs, WARM_UP_MS), IN_FLIGHT, call);
  made = 0;
  const before = process.cpuUsage();
  const perSecond = await closedLoopFor(durationMs, IN_FLIGHT, call);
  const { user, system } = process.cpuUsage(before);
  return { perSecond, hostUs: (user + system) / made };
}

async function supervised(running) {
  return withPlugins(Number(count), async (pluginDir) => {
    const names = Array.from({ length: running }, (_, i) => `echo-${i}`);
    const plugins = Object.fromEntries(names.map((name) => [name, { enabled: true }]));
    const supervisor = await createSupervisor({ pluginDir, defaults: { enabled: false, startTimeoutMs: 60_000 }, plugins, strict: true });
    try {
      return await measured(names.map((name) => (text) => supervisor.call(name, 'echo', [text])));
    } finally {
      await supervisor.close();
    }
  });
}

async function forked() {
  const children = await Promise.all(Array.from({ length: Number(count) }, () => openFork()));
  const came = await measured(children.map(({ call }) => call));
  await Promise.all(children.map(({ close }) => close()));
  return came;
}

const kinds = { running: () => supervised(Number(count)), registered: () => supervised(1), fork: forked };
process.stdout.write(JSON.stringify(await kinds[kind]()));
process.exit(0);
