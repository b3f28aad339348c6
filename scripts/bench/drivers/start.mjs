/**
 * Starts one kind of child again and again: `node start.mjs SUBJECT TIMES`. Prints the median as JSON. The first start is not
 * counted: it fills caches.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createSupervisor } from '../../../dist/src/index.js';
import { withPlugins } from './folder.mjs';

const run = promisify(execFile);
const TOGETHER = 20;
/** Until what started the spare is over. */
const SETTLE_MS = 20;
const within = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** From spawning to the exit of a Node that does nothing. */
const node = () => timed(() => run(process.execPath, ['-e', '0']));

/** From spawning to the first answer over Node's own channel. */
async function forked() {
  let child;
  const ms = await timed(() => {
    child = fork(within('workers/fork.cjs'));
    child.send({ id: 1, text: 'hello' });
    return once(child, 'message');
  });
  child.disconnect();
  await once(child, 'exit');
  return ms;
}

/** From `load` to the first answer, in a supervisor that runs already. */
const loaded = (supervisor, name) => async () => {
  const ms = await timed(async () => {
    await supervisor.load(within(`plugins/${name}`));
    await supervisor.call(name, 'echo', ['hello']);
  });
  await supervisor.unload(name);
  return ms;
};

/** The same when a spare waits. */
const loadedWarm = (supervisor, name) => async () => {
  while (supervisor.status().spares === 0) await sleep(5);
  await sleep(SETTLE_MS);
  return loaded(supervisor, name)();
};

/** What it takes a fresh Node, its loader awake, to import the plugin. */
const imported = (name) => async () => {
  const code = `import('data:text/javascript,').then(async () => {
    const start = performance.now();
    await import(process.argv[1]);
    console.log(performance.now() - start);
  })`;
  const { stdout } = await run(process.execPath, ['-e', code, new URL(`../plugins/${name}/index.js`, import.meta.url).href]);
  return Number(stdout);
};

/** So many that do nothing, at once. */
const nodes = () => timed(() => Promise.all(Array.from({ length: TOGETHER }, node)));

/** All of a plugin folder at once, until the last one is ready. */
const together = (pluginDir) => async () => {
  let supervisor;
  const ms = await timed(async () => (supervisor = await createSupervisor({ pluginDir, strict: true })));
  await supervisor.close();
  return ms;
};

/** The median; the first start is not counted. */
async function medianOf(times, start) {
  const measured = [];
  await start();
  for (let i = 0; i < times; i++) measured.push(await start());
  return measured.sort((a, b) => a - b)[Math.floor(measured.length / 2)];
}

/** `importMs` of that is the plugin's own. */
async function beyondImport(ms, name, times) {
  const importMs = await medianOf(Math.ceil(times / 2), imported(name));
  return { ms, importMs, beyondMs: ms - importMs };
}

async function cold(name, times) {
  return beyondImport(await medianOf(times, loaded(supervisor, name)), name, times);
}

async function warm(name, times) {
  // So that there are launch options to keep a spare for.
  await supervisor.load(within('plugins/work'));
  return beyondImport(await medianOf(times, loadedWarm(supervisor, name)), name, times);
}

async function bare(times) {
  const ms = await medianOf(times, node);
  return { ms, beyondMs: ms };
}

/** What each of them took of the cores there are is what can be held against a start by itself. */
async function twenty(start, times) {
  const allMs = await medianOf(Math.ceil(times / TOGETHER), start);
  return { allMs, ms: (allMs * Math.min(availableParallelism(), TOGETHER)) / TOGETHER };
}

const [subject, amount] = process.argv.slice(2);
const times = Number(amount);
const supervisor = await createSupervisor({ spares: subject.startsWith('spare') ? 1 : 0 });
const subjects = {
  'chameleon-esm': () => cold('echo', times),
  'chameleon-commonjs': () => cold('echo-commonjs', times),
  'spare-esm': () => warm('echo', times),
  'spare-commonjs': () => warm('echo-commonjs', times),
  fork: async () => ({ ms: await medianOf(times, forked) }),
  'node-e-0': () => bare(times),
  'chameleon-20': () => withPlugins(TOGETHER, (dir) => twenty(together(dir), times)),
  'node-20': () => twenty(nodes, times),
};
const measured = await subjects[subject]();
await supervisor.close();
process.stdout.write(JSON.stringify(measured));
