/**
 * Weighs the supervisor's own share of a plugin, and a child: `node --expose-gc memory.mjs SUBJECT PLUGINS`. Prints bytes as JSON.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createSupervisor } from '../../../dist/src/index.js';

const SETTLE_MS = 1_000;
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

async function pluginFolder(count) {
  const dir = await mkdtemp(join(tmpdir(), 'chameleon-bench-'));
  for (let i = 0; i < count; i++) {
    await mkdir(join(dir, `echo-${i}`));
    await writeFile(join(dir, `echo-${i}`, 'package.json'), JSON.stringify({ name: `echo-${i}`, version: '1.0.0', main: 'index.js' }));
    await writeFile(join(dir, `echo-${i}`, 'index.js'), 'module.exports = { methods: { echo: (text) => text } };\n');
  }
  return dir;
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
async function supervised(count) {
  const dir = await pluginFolder(count + 1);
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
    return { heapBytes: (after.heapBytes - before.heapBytes) / count, rssBytes: (after.rssBytes - before.rssBytes) / count, childBytes };
  } finally {
    await supervisor.close();
    await rm(dir, { recursive: true });
  }
}

const [subject, count] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await { fork: forked, chameleon: supervised }[subject](Number(count))));
