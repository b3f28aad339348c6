/**
 * Weighs the supervisor's own share of a plugin, a child, or the whole of many: `node --expose-gc memory.mjs SUBJECT PLUGINS`. Prints
 * bytes as JSON.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';
import { withPlugins } from './folder.mjs';

const SETTLE_MS = 1_000;
const IDLE_MS = 1_000;
/** They cost so little that it takes many to see it. */
const REGISTERED_FOR_EACH = 50;
/** They pay for code that all share, and that is compiled the better the more often it has run. */
const FIRST = 15;
const within = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

async function pagesOf(pid, kinds) {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = [...rollup.matchAll(/^(\w+): +(\d+) kB$/gm)].map(([, kind, amount]) => (kinds.includes(kind) ? Number(amount) : 0));
  return kib.reduce((sum, amount) => sum + amount, 0) * 1024;
}

/** Pages that no other process shares. */
const privateBytes = (pid) => pagesOf(pid, ['Private_Clean', 'Private_Dirty']);
/** Each page that is shared counts in parts, so that the sum over processes is what they take together. */
const shareBytes = (pid) => pagesOf(pid, ['Pss']);

async function weightOf(child) {
  await pause(SETTLE_MS);
  const childBytes = await privateBytes(child.pid);
  child.kill();
  await once(child, 'exit');
  return childBytes;
}

async function forked() {
  const child = fork(within('workers/idle.cjs'));
  await once(child, 'message');
  return { childBytes: await weightOf(child) };
}

/** A Node that has loaded an ES module, as a plugin is one, and waits. */
const node = async () => ({
  childBytes: await weightOf(spawn(process.execPath, [within('workers/idle.mjs')], { stdio: ['ignore', 'pipe', 'pipe'] })),
});

async function weight() {
  await pause(SETTLE_MS);
  globalThis.gc();
  await pause(0);
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, rssBytes: rss };
}

/** What each of `count` plugins costs. Each was called once; `rest` resolves when they are as they are to be weighed. */
async function each(count, defaults, rest, use) {
  return withPlugins(FIRST + count, async (dir) => {
    const supervisor = await createSupervisor({ defaults });
    const add = async (folder, name) => {
      await supervisor.load(folder);
      await supervisor.call(name, 'echo', ['hello']);
    };
    const addMore = async (from, to) => {
      for (let i = from; i < to; i++) await add(join(dir, `echo-${i}`), `echo-${i}`);
      await rest(supervisor);
      return weight();
    };
    try {
      await add(within('plugins/echo'), 'echo');
      const before = await addMore(0, FIRST);
      const after = await addMore(FIRST, FIRST + count);
      return { ...grown(before, after, count), ...(await use(supervisor)) };
    } finally {
      await supervisor.close();
    }
  });
}

const running = async (count) =>
  each(
    count,
    {},
    () => {},
    async (supervisor) => {
      const childBytes = await privateBytes(supervisor.status('echo').pid);
      return { childBytes, overNodeBytes: childBytes - (await node()).childBytes };
    },
  );

async function noneRuns(supervisor) {
  while (supervisor.status().plugins.some(({ pid }) => pid !== null)) await pause(IDLE_MS / 10);
}

const idle = (count) => each(count, { idleTimeoutMs: IDLE_MS }, noneRuns, () => {});

/** One of them was called, in the supervisor that is weighed and in one before it, which pays for the code. */
async function registered(count) {
  const opened = (plugins) =>
    withPlugins(plugins, async (pluginDir) => {
      const supervisor = await createSupervisor({ pluginDir, defaults: { lazy: true }, strict: true });
      await supervisor.call('echo-0', 'echo', ['hello']);
      const held = await weight();
      await supervisor.close();
      return held;
    });
  return grown(await opened(1), await opened(count + 1), count);
}

/** So many of them are called all the while, and as many once; what there is in the end, of this process and its children. */
async function inUse(used, count) {
  return withPlugins(count, async (pluginDir) => {
    const supervisor = await createSupervisor({ pluginDir, defaults: { lazy: true, idleTimeoutMs: IDLE_MS }, strict: true });
    const call = (plugins) => Promise.all(Array.from({ length: plugins }, (_, i) => supervisor.call(`echo-${i}`, 'echo', ['hello'])));
    let over = false;
    const using = async () => {
      for (await call(2 * used); !over; await pause(IDLE_MS / 4)) await call(used);
    };
    const users = using();
    await pause(2 * SETTLE_MS);
    while (supervisor.status().plugins.filter(({ pid }) => pid !== null).length !== used) await pause(IDLE_MS / 10);
    await weight();
    const children = (await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')).split(' ').filter((pid) => pid !== '');
    const shares = await Promise.all([process.pid, ...children].map(shareBytes));
    over = true;
    await users;
    await supervisor.close();
    return { children: children.length, wholeBytes: shares.reduce((sum, share) => sum + share, 0) };
  });
}

function grown(before, after, count) {
  return { heapBytes: (after.heapBytes - before.heapBytes) / count, rssBytes: (after.rssBytes - before.rssBytes) / count };
}

const [subject, amount] = process.argv.slice(2);
const plugins = Number(amount);
const many = REGISTERED_FOR_EACH * plugins;
const subjects = {
  chameleon: () => running(plugins),
  idle: () => idle(plugins),
  registered: () => registered(many),
  'in-use': () => inUse(plugins, many),
  fork: forked,
  'node-esm': node,
};
process.stdout.write(JSON.stringify(await subjects[subject]()));
