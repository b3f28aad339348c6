/**
 * Starts one kind of child again and again: `node start.mjs SUBJECT TIMES`. Prints the median as JSON. The first start is not
 * counted: it fills caches.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createSupervisor } from '../../../dist/src/index.js';

const run = promisify(execFile);
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

const [subject, times] = process.argv.slice(2);
const supervisor = await createSupervisor();
const start = {
  'node-e-0': node,
  fork: forked,
  'chameleon-esm': loaded(supervisor, 'echo'),
  'chameleon-commonjs': loaded(supervisor, 'echo-commonjs'),
}[subject];
const measured = [];
await start();
for (let i = 0; i < Number(times); i++) measured.push(await start());
await supervisor.close();
measured.sort((a, b) => a - b);
process.stdout.write(JSON.stringify({ ms: measured[Math.floor(measured.length / 2)] }));
