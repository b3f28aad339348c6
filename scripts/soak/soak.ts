/** One soak from the first start to the last process: puts traffic, faults, ledger and watch together, and says when it is over. */
import type { createSupervisor, Supervisor } from '../../src/index.ts';
import { Caller } from './caller.ts';
import { Faults } from './faults.ts';
import { Ledger } from './ledger.ts';
import { layOut, type Target } from './plugins.ts';
import { Random } from './random.ts';
import { callsByOutcome, descending, examplesOf, heldBy, machine, type Report } from './report.ts';
import { Stalls } from './stalls.ts';
import { Traffic } from './traffic.ts';
import { until } from './until.ts';
import { Verdict } from './verdict.ts';
import { Watch } from './watch.ts';

export interface SoakOptions {
  createSupervisor: typeof createSupervisor;
  root: string;
  seed: number;
  minutes: number;
  calls: number | null;
  faults: number | null;
}

const SWEEP_MS = 250;
/** Of a version that was replaced: at rest there is one of each. */
const HOLD_MS = 500;
const PROGRESS_MS = 10_000;
/** Unless more is asked for. */
const CALLS_PER_SECOND = 1_800;
const FAULTS_PER_SECOND = 16;
/** What is asked for is aimed at a little sooner. */
const HASTE = 1.25;
const LAST_CALLS = 200;
const SETTLE_MS = 20_000;
/** Between rests. */
const ROUND_MS = 15_000;
const MAX_ROUNDS = 12;

export class Soak {
  readonly #options: SoakOptions;
  readonly #verdict = new Verdict();
  readonly #deaths = new Map<string, number>();

  constructor(options: SoakOptions) {
    this.#options = options;
  }

  async run(): Promise<Report> {
    const { root, seed, minutes, calls, faults: wanted } = this.#options;
    const targets = layOut(root);
    const plugins = Object.fromEntries(targets.map(({ name, options }) => [name, options]));
    const supervisor = await this.#options.createSupervisor({ plugins, defaults: { rollout: { holdMs: HOLD_MS } }, logger: silent() });
    const stalls = new Stalls();
    const ledger = new Ledger(targets, this.#verdict, stalls);
    const caller = new Caller(supervisor, ledger, this.#verdict);
    const watch = new Watch(supervisor, this.#verdict);
    this.#observe(supervisor, ledger);
    await Promise.all(targets.map((target) => supervisor.load(target.dirs[0])));

    const seconds = minutes * 60;
    const callsPerSecond = calls === null ? CALLS_PER_SECOND : (HASTE * calls) / seconds;
    const faultsPerSecond = wanted === null ? FAULTS_PER_SECOND : (HASTE * wanted) / seconds;
    const traffic = new Traffic({ caller, ledger, targets, random: new Random(seed), callsPerSecond });
    const faults = new Faults({ supervisor, caller, ledger, targets, random: new Random(~seed), verdict: this.#verdict, faultsPerSecond });
    const sweep = setInterval(() => ledger.sweep(), SWEEP_MS);
    // A first call of each kind, so that what is made once is made before it is counted.
    await Promise.all(targets.map((target) => traffic.one(target)));
    const before = watch.held();

    const started = performance.now();
    const elapsed = (): number => performance.now() - started;
    const progress = setInterval(() => this.#say(elapsed(), ledger, faults, stalls), PROGRESS_MS);
    watch.start();
    const hasGoal = calls !== null || wanted !== null;
    const isReached = (): boolean => ledger.records.count >= (calls ?? 0) && faults.total >= (wanted ?? 0);
    const isOver = (): boolean => elapsed() >= minutes * 60_000 || (hasGoal && isReached());
    const roundMs = Math.max(ROUND_MS, (minutes * 60_000) / MAX_ROUNDS);
    while (!isOver()) {
      traffic.start();
      faults.start();
      await until(isOver, roundMs);
      await Promise.all([faults.stop(), traffic.stop()]);
      await until(() => ledger.open.size === 0, SETTLE_MS);
      await watch.rest(before, ledger.records, faults.total);
    }
    watch.stop();
    await this.#compareCounters(supervisor, ledger, targets);
    const durationMs = elapsed();

    // The end of it all comes under load, too.
    const last = Array.from({ length: LAST_CALLS }, () => traffic.one());
    caller.closing = true;
    await Promise.all([supervisor.close({ drainTimeoutMs: 5_000 }), ...last]);
    clearInterval(progress);
    clearInterval(sweep);
    ledger.sweep();
    for (const id of ledger.open) this.#verdict.add('unsettled', id, 'open after close()');
    await watch.judgeOrphans();
    watch.judgeTrend();
    stalls.stop();
    await watch.judgeClosed();
    const report = {
      seed,
      ...machine,
      durationMs: Math.round(durationMs),
      calls: ledger.records.count,
      faults: faults.total,
      reached: isReached(),
      callsByOutcome: callsByOutcome(ledger),
      faultsByKind: descending(faults.counts),
      deathsByCause: descending(this.#deaths),
      attempts: attemptsOf(ledger),
      ...heldBy(watch),
      ownStalls: { worstMs: Math.round(stalls.worstMs), totalMs: Math.round(stalls.totalMs), excusedCalls: ledger.excused },
      violations: Object.fromEntries(this.#verdict.counts),
      examples: examplesOf(this.#verdict, ledger),
    };
    ledger.close();
    return report;
  }

  #observe(supervisor: Supervisor, ledger: Ledger): void {
    const died = (cause: string): void => void this.#deaths.set(cause, (this.#deaths.get(cause) ?? 0) + 1);
    supervisor.on('instance-ready', ({ plugin, pid }) => ledger.born(plugin, pid));
    supervisor.on('instance-crashed', ({ exit }) => died(exit.cause));
    supervisor.on('instance-stopped', ({ exit }) => died(exit.cause));
    supervisor.on('instance-start-failed', () => died('(while starting)'));
  }

  /** The supervisor has counted a settlement for each call: no call was settled without being told, or told twice. */
  async #compareCounters(supervisor: Supervisor, ledger: Ledger, targets: readonly Target[]): Promise<void> {
    for (const target of targets) {
      const made = ledger.records.plugin.subarray(0, ledger.records.count).filter((index) => targets[index] === target).length;
      let settled = callsCounted(supervisor, target.name);
      // Metrics are shown of versions that run, so both must have run.
      await supervisor.load(target.dirs.find((dir) => dir !== supervisor.status(target.name).dir)!);
      settled += callsCounted(supervisor, target.name);
      if (settled !== made) this.#verdict.add('counters disagree', null, `${target.name}: ${made} calls made, ${settled} counted as settled`);
    }
  }

  #say(elapsedMs: number, ledger: Ledger, faults: Faults, stalls: Stalls): void {
    const { heapUsed, rss } = process.memoryUsage();
    const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
    const parts = [
      `${(elapsedMs / 1000).toFixed(0)} s`,
      `${ledger.records.count} calls, ${ledger.open.size} open`,
      `${faults.total} faults`,
      `heap ${mib(heapUsed)} MiB, resident ${mib(rss)} MiB`,
      `worst stall ${stalls.worstMs.toFixed(0)} ms`,
      `${this.#verdict.total} violations`,
    ];
    process.stderr.write(`soak: ${parts.join('; ')}\n`);
  }
}

/** Calls of the version that is active now. */
function callsCounted(supervisor: Supervisor, plugin: string): number {
  const { version } = supervisor.status(plugin);
  const methods = supervisor.metrics(plugin).plugins[plugin]?.[version!]?.methods ?? {};
  return Object.values(methods).reduce((sum, { calls }) => sum + calls, 0);
}

function attemptsOf({ records }: Ledger): Report['attempts'] {
  let [begun, retries] = [0, 0];
  for (let id = 0; id < records.count; id++) {
    for (let bits = records.begun[id]!; bits !== 0; bits &= bits - 1) begun++;
    if (records.begun[id]! > 0b11) retries++;
  }
  return { begun, retries };
}

/** Records are made and thrown away, as a host that logs would have them. */
function silent(): { debug(): void; info(): void; warn(): void; error(): void } {
  const ignore = (): void => {};
  return { debug: ignore, info: ignore, warn: ignore, error: ignore };
}
