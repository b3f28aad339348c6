/**
 * `npm run rollouts [-- --count N] [--load N]`: rollouts to and fro under constant load, with a ledger that says what became of every call, then each
 * kind of bad version, with how long it took to be rid of it. Exits 1 when a call was lost or run twice, or a bad version stayed.
 *
 * With `--load N` it does something else: N processes keep the processors busy, and versions that are equal replace each other, each
 * with time to be judged. Exits 1 when one of them was taken back, or when a version that is over 3 × slower was not, within 2 s.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createSupervisor, type PluginOptions, type ReloadFailedError, type RolloutResult, type Supervisor } from '../src/index.ts';
import { burn } from '../test/helpers/burners.ts';
import { putFixture } from '../test/helpers/put-plugin.ts';
import { putVersion, Traffic, type Behaviour } from '../test/helpers/versions.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '200' }, load: { type: 'string' } } });
const WORKERS = 16;
const QUIET_MS = 3_000;
/** As long as the verdicts of a hold take to be made, several times over. */
const JUDGED_MS = 1_500;

/** As the tests have them, with the options under which each is noticed. */
const BAD: [string, Behaviour, PluginOptions][] = [
  ['throws on import', { throwOnImport: true }, {}],
  ['init never ends', { initHangs: true }, { startTimeoutMs: 2_000 }],
  ['is not healthy', { ill: true }, {}],
  ['lacks a method', { without: ['once'] }, {}],
  ['turns bad at its 50th call', { turnsBadAt: 50 }, {}],
  ['dies at its 50th call', { diesAt: 50 }, {}],
  ['hangs from its 50th call on', { hangsAt: 50 }, { drainTimeoutMs: 1_000 }],
  ['is ten times slower', { slowMs: 50 }, {}],
  [
    'leaks',
    { leakBytes: 4 * 2 ** 20 },
    { memoryLimitBytes: 250 * 2 ** 20, liveness: { intervalMs: 100 }, rollout: { canary: { maxP95Ratio: null } } },
  ],
];

const percentile = (times: readonly number[], share: number): number => times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;
const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
const pause = (forMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, forMs));

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'chameleon-rollouts-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One version after the other, while all workers call; answers with whether nothing was lost. */
async function toAndFro(folder: string, count: number): Promise<boolean> {
  const file = join(folder, 'ledger.log');
  const dirs = await Promise.all(['1.0.0', '2.0.0'].map((version) => putFixture(folder, 'ledger', { version })));
  const supervisor = await createSupervisor({ defaults: { options: { file } } });
  try {
    await supervisor.load(dirs[0]!);
    const times: number[] = [];
    const traffic = new Traffic(async (n) => {
      const at = performance.now();
      await supervisor.call('ledger', n % 2 === 0 ? 'once' : 'again', [`call-${n}`, 0]);
      times.push(performance.now() - at);
    }, WORKERS);
    await pause(QUIET_MS);
    const quiet = times.splice(0);
    const started = performance.now();
    const took: number[] = [];
    for (let i = 1; i <= count; i++) {
      const { phases } = await supervisor.load(dirs[i % 2]!);
      took.push(phases.reduce((sum, phase) => sum + phase.ms, 0));
    }
    const elapsed = performance.now() - started;
    await traffic.stop();
    const begun = new Map<string, number>();
    for (const [, id] of (await readFile(file, 'utf8')).matchAll(/^(\S+) \d+ \d+ begin$/gm)) begun.set(id!, (begun.get(id!) ?? 0) + 1);
    const doubled = [...begun].filter(([id, runs]) => runs > 1 && Number(id.slice('call-'.length)) % 2 === 0).length;
    const calls = traffic.answers.length + traffic.errors.length;
    console.log(`${count} rollouts in ${(elapsed / 1000).toFixed(1)} s under load of ${WORKERS} callers`);
    console.log(`  calls ${calls}, failed ${traffic.errors.length}, not idempotent and run twice ${doubled}`);
    console.log(`  a rollout took ${ms(percentile(took, 0.5))} (p50), ${ms(percentile(took, 0.99))} (p99)`);
    console.log(`  a call took, p50 and p99: without rollouts ${ms(percentile(quiet, 0.5))} and ${ms(percentile(quiet, 0.99))},`);
    console.log(`                            all the while    ${ms(percentile(times, 0.5))} and ${ms(percentile(times, 0.99))}`);
    for (const error of traffic.errors.slice(0, 3)) console.log(`  ${error.message}`);
    return traffic.errors.length === 0 && doubled === 0;
  } finally {
    await supervisor.close();
  }
}

async function outcomeOf(supervisor: Supervisor, dir: string): Promise<{ result: RolloutResult; backAfterMs: number | null }> {
  let back: (result: RolloutResult) => void = () => {};
  const rolledBack = new Promise<RolloutResult>((resolve) => (back = resolve));
  supervisor.on('rolled-back', ({ result }) => back(result));
  try {
    await supervisor.load(dir);
  } catch (error) {
    return { result: (error as ReloadFailedError).result, backAfterMs: null };
  }
  const switchedAt = performance.now();
  const result = await Promise.race([rolledBack, pause(20_000).then(() => null)]);
  if (result === null) throw new Error('the bad version was not noticed');
  return { result, backAfterMs: performance.now() - switchedAt };
}

async function bad(folder: string, [what, behaviour, options]: (typeof BAD)[number]): Promise<boolean> {
  const supervisor = await createSupervisor({ defaults: options });
  try {
    await supervisor.load(await putVersion(folder, '1.0.0', { slowMs: 5 }));
    const traffic = new Traffic(() => supervisor.call('versioned', 'who'), WORKERS);
    await pause(500);
    const { result, backAfterMs } = await outcomeOf(supervisor, await putVersion(folder, '2.0.0', behaviour));
    await pause(500);
    await traffic.stop();
    const how = backAfterMs === null ? 'never had a call' : `1.0.0 was back after ${ms(backAfterMs)}`;
    console.log(
      `  ${what.padEnd(30)} ${result.outcome.padEnd(12)} ${(result.reason ?? '').padEnd(14)} ${how}; ${traffic.answers.length} calls, ${traffic.errors.length} failed`,
    );
    return traffic.errors.length === 0 && supervisor.status('versioned').version === '1.0.0';
  } finally {
    await supervisor.close();
  }
}

/** Rollouts of equal versions, of which some begin on a quiet machine and some on a busy one. */
async function equalUnderLoad(folder: string, count: number, load: number): Promise<boolean> {
  const taken: string[] = [];
  for (let done = 0; done < count;) {
    const supervisor = await createSupervisor();
    supervisor.on('rolled-back', ({ result }) => void taken.push(result.detail ?? ''));
    const [method, dirs] = [done % 20 < 10 ? 'who' : 'peek', await Promise.all(['1.0.0', '2.0.0'].map((each) => putVersion(folder, each)))];
    await supervisor.load(dirs[0]!);
    const traffic = new Traffic(() => supervisor.call('versioned', method, [1]), WORKERS);
    await pause(500);
    const end = burn(load);
    for (let i = 1; i <= 10 && done < count; i++, done++) {
      await supervisor.load(dirs[i % 2]!);
      await pause(JUDGED_MS);
    }
    await traffic.stop();
    end();
    await supervisor.close();
  }
  console.log(`${count} rollouts of equal versions at a load of ${load}: ${taken.length} taken back`);
  for (const detail of taken.slice(0, 3)) console.log(`  ${detail}`);
  return taken.length === 0;
}

async function slowerUnderLoad(folder: string, load: number): Promise<boolean> {
  const times: number[] = [];
  for (const busy of [0, load]) {
    const supervisor = await createSupervisor();
    await supervisor.load(await putVersion(folder, '1.0.0', { slowMs: 30 }));
    const end = burn(busy);
    const traffic = new Traffic(() => supervisor.call('versioned', 'read'), WORKERS);
    await pause(1_000);
    const dir = await putVersion(folder, '2.0.0', { slowMs: 120 });
    times.push(
      await outcomeOf(supervisor, dir).then(
        ({ backAfterMs }) => backAfterMs ?? 0,
        () => Infinity,
      ),
    );
    await traffic.stop();
    end();
    await supervisor.close();
    console.log(`a version that takes 120 ms instead of 30 ms was taken back after ${ms(times.at(-1)!)} at a load of ${busy}`);
  }
  return times.every((time) => time < 2_000);
}

console.log(`Node ${process.versions.node}`);
const [count, load] = [Number(values.count), Number(values.load ?? 0)];
let isGood = true;
if (load > 0) {
  isGood = await inFolder((folder) => equalUnderLoad(folder, count, load));
  isGood = (await inFolder((folder) => slowerUnderLoad(folder, load))) && isGood;
} else {
  isGood = await inFolder((folder) => toAndFro(folder, count));
  console.log('a new version that is bad (calls are idempotent; 1.0.0 takes 5 ms a call)');
  for (const kind of BAD) isGood = (await inFolder((folder) => bad(folder, kind))) && isGood;
}
console.log(isGood ? 'ok' : 'NOT ok');
process.exitCode = isGood ? 0 : 1;
