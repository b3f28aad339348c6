/**
 * Weighs the supervisor's own share of a plugin, and a child: `node --expose-gc memory.mjs SUBJECT PLUGINS`. Prints bytes as JSON.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';
import { withPlugins } from './folder.mjs';

const SETTLE_MS = 1_000;
/** They cost so little that it takes many to see it. */
const REGISTERED_FOR_EACH = 50;
const within = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Pages that no other process shares. */
async function privateBytes(pid) {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = [...rollup.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)].map(([, amount]) => Number(amount));
  return kib.reduce((sum, amount) => sum + amount, 0) * 1024;
}

async function forked() {
  const child = fork(within('workers/idle.cjs'));
  await once(child, 'message');
  await pause(SETTLE_MS);
  const childBytes = await privateBytes(child.pid);
  child.disconnect();
  await once(child, 'exit');
  return { childBytes };
}

async function weight() {
  await pause(SETTLE_MS);
  globalThis.gc();
  await pause(0);
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, rssBytes: rss };
}

/** The first plugin pays for code that all share, so it is loaded before the first weighing. Every plugin runs and was called once. */
async function running(count) {
  return withPlugins(count + 1, async (dir) => {
    const supervisor = await createSupervisor();
    const add = async (i) => {
      await supervisor.load(join(dir, `echo-${i}`));
      await supervisor.call(`echo-${i}`, 'echo', ['hello']);
    };
    try {
      await add(0);
      const before = await weight();
      for (let i = 1; i <= count; i++) await add(i);
      const after = await weight();
      const childBytes = await privateBytes(supervisor.status('echo-0').pid);
      return { ...grown(before, after, count), childBytes };
    } finally {
      await supervisor.close();
    }
  });
}

/** One of them runs, in the supervisor that is weighed and in one before it, which pays for the code. */
async function registered(count) {
  const one = { defaults: { enabled: false }, plugins: { 'echo-0': { enabled: true } }, strict: true };
  const opened = (plugins) =>
    withPlugins(plugins, async (pluginDir) => {
      const supervisor = await createSupervisor({ ...one, pluginDir });
      await supervisor.call('echo-0', 'echo', ['hello']);
      const held = await weight();
      await supervisor.close();
      return held;
    });
  return grown(await opened(1), await opened(count + 1), count);
}

function grown(before, after, count) {
  return { heapBytes: (after.heapBytes - before.heapBytes) / count, rssBytes: (after.rssBytes - before.rssBytes) / count };
}

const [subject, count] = process.argv.slice(2);
const subjects = { fork: forked, chameleon: running, registered: (plugins) => registered(REGISTERED_FOR_EACH * plugins) };
process.stdout.write(JSON.stringify(await subjects[subject](Number(count))));
