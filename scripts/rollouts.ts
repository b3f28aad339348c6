/**
 * `npm run rollouts [-- --count N]`: rollouts to and fro under constant load, with a ledger that says what became of every call, then each
 * kind of bad version, with how long it took to be rid of it. Exits 1 when a call was lost or run twice, or a bad version stayed.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createSupervisor, type PluginOptions, type ReloadFailedError, type RolloutResult, type Supervisor } from '../src/index.ts';
import { putFixture } from '../test/helpers/put-plugin.ts';
import { putVersion, Traffic, type Behaviour } from '../test/helpers/versions.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '200' } } });
const WORKERS = 16;
const QUIET_MS = 3_000;

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

console.log(`Node ${process.versions.node}`);
let isGood = await inFolder((folder) => toAndFro(folder, Number(values.count)));
console.log('a new version that is bad (calls are idempotent; 1.0.0 takes 5 ms a call)');
for (const kind of BAD) isGood = (await inFolder((folder) => bad(folder, kind))) && isGood;
console.log(isGood ? 'ok' : 'NOT ok');
process.exitCode = isGood ? 0 : 1;
