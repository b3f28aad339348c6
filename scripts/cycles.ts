/**
 * `npm run cycles -- [--count 1000] [--lanes 4]`: starts and stops plugins, then kills them and has them restarted, so many times each,
 * and holds what is left against what was there after the warm-up. Exit code 1 when anything is left. Needs a build of the runner.
 *
 * 1. No process of an instance, no descriptor, no timer or other active resource, no listener is left.
 * 2. The heap and the resident memory are at most a tenth over what they were.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createSupervisor, type Supervisor } from '../src/index.ts';
import { processesMarked } from '../src/process/marker.ts';

const FIXTURE = resolve(import.meta.dirname, '../test/fixtures/plugins/bystander');
const SETTLE_MS = 10_000;
const TOLERANCE = 2;
const GROWTH = 1.1;

/** What this process holds. */
export interface Holdings {
  processes: number;
  descriptors: number;
  resources: number;
  listeners: number;
  heapBytes: number;
  rssBytes: number;
}

export interface CyclesReport {
  name: string;
  cycles: number;
  warmUp: number;
  seconds: number;
  before: Holdings;
  after: Holdings;
  /** What is left that should not be; empty when all is well. */
  left: string[];
}

export interface CyclesOptions {
  count: number;
  /** Cycles before the first measurement. */
  warmUp: number;
  /** Plugins that go through their cycles side by side. */
  lanes: number;
}

/** One plugin through one cycle. */
type Cycle = (supervisor: Supervisor, plugin: string, dir: string) => Promise<void>;

async function startStop(supervisor: Supervisor, plugin: string, dir: string): Promise<void> {
  await supervisor.load(dir);
  await mustAnswer(supervisor, plugin);
  await supervisor.unload(plugin);
}

async function crashRestart(supervisor: Supervisor, plugin: string, dir: string): Promise<void> {
  if (!supervisor.status().plugins.some(({ name }) => name === plugin)) await supervisor.load(dir);
  await mustAnswer(supervisor, plugin);
  const { pid } = supervisor.status(plugin);
  const crashed = new Promise<void>((done) => {
    const listen = (event: { plugin: string }): void => {
      if (event.plugin !== plugin) return;
      supervisor.off('instance-crashed', listen);
      done();
    };
    supervisor.on('instance-crashed', listen);
  });
  process.kill(pid!, 'SIGKILL');
  await crashed;
  await mustAnswer(supervisor, plugin);
  if (supervisor.status(plugin).pid === pid) throw new Error(`${plugin} goes on as ${pid}, which was killed`);
}

export const cycles = { 'start-stop': startStop, 'crash-restart': crashRestart } satisfies Record<string, Cycle>;

export async function runCycles(name: keyof typeof cycles, options: CyclesOptions): Promise<CyclesReport> {
  const folder = await mkdtemp(join(tmpdir(), 'chameleon-cycles-'));
  const restart = { maxRestarts: 2 ** 31 - 1, backoffMs: 0, maxBackoffMs: 0 };
  const supervisor = await createSupervisor({ defaults: { restart } });
  try {
    const plugins = await Promise.all(Array.from({ length: options.lanes }, (_, lane) => putPlugin(folder, `cycle-${lane}`)));
    const run = (count: number): Promise<void> => throughLanes(plugins, count, (plugin, dir) => cycles[name](supervisor, plugin, dir));
    await run(options.warmUp);
    await unloadAll(supervisor);
    const before = await holdings(supervisor);
    const begun = performance.now();
    await run(options.count);
    const seconds = (performance.now() - begun) / 1_000;
    await unloadAll(supervisor);
    const { after, left } = await settled(supervisor, before);
    return { name, cycles: options.count, warmUp: options.warmUp, seconds, before, after, left };
  } finally {
    await supervisor.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function throughLanes(plugins: readonly [string, string][], count: number, cycle: (plugin: string, dir: string) => Promise<void>) {
  let left = count;
  const lane = async ([plugin, dir]: [string, string]): Promise<void> => {
    while (left-- > 0) await cycle(plugin, dir);
  };
  await Promise.all(plugins.map(lane));
}

async function putPlugin(folder: string, name: string): Promise<[string, string]> {
  const dir = join(folder, name);
  await cp(FIXTURE, dir, { recursive: true });
  const manifest = JSON.parse(await readFile(join(FIXTURE, 'package.json'), 'utf8')) as object;
  await writeFile(join(dir, 'package.json'), JSON.stringify({ ...manifest, name }));
  return [name, dir];
}

async function mustAnswer(supervisor: Supervisor, plugin: string): Promise<void> {
  if ((await supervisor.call(plugin, 'echo', [plugin])) !== plugin) throw new Error(`${plugin} gave a wrong answer`);
}

async function unloadAll(supervisor: Supervisor): Promise<void> {
  await Promise.all(supervisor.status().plugins.map(({ name }) => supervisor.unload(name)));
}

/** What is left once all has had time to end. */
async function settled(supervisor: Supervisor, before: Holdings): Promise<{ after: Holdings; left: string[] }> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const after = await holdings(supervisor);
    const left = differences(before, after);
    if (left.length === 0 || performance.now() > deadline) return { after, left };
    await new Promise((done) => setTimeout(done, 100));
  }
}

function differences(before: Holdings, after: Holdings): string[] {
  const left: string[] = [];
  if (after.processes > 0) left.push(`${after.processes} processes`);
  for (const kind of ['descriptors', 'resources', 'listeners'] as const)
    if (Math.abs(after[kind] - before[kind]) > TOLERANCE) left.push(`${kind}: ${before[kind]} before, ${after[kind]} after`);
  for (const kind of ['heapBytes', 'rssBytes'] as const)
    if (after[kind] > GROWTH * before[kind]) left.push(`${kind}: ${before[kind]} before, ${after[kind]} after`);
  return left;
}

async function holdings(supervisor: Supervisor): Promise<Holdings> {
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  // What is being read or is due this turn comes and goes.
  const resources = process.getActiveResourcesInfo().filter((kind) => !/^FSReq|Immediate|Tick/.test(kind));
  return {
    processes: (await processesMarked((marker) => marker.startsWith(`${process.pid}-`))).length,
    descriptors: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
    resources: resources.length,
    listeners: [process, supervisor].reduce((sum, emitter) => sum + countListeners(emitter), 0),
    heapBytes: heapUsed,
    rssBytes: rss,
  };
}

function countListeners(emitter: Pick<NodeJS.EventEmitter, 'eventNames' | 'listenerCount'>): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { count: { type: 'string', default: '1000' }, lanes: { type: 'string', default: '4' } } });
  const [count, lanes] = [Number(values.count), Number(values.lanes)];
  if (![count, lanes].every((number) => Number.isInteger(number) && number > 0)) throw new Error('--count and --lanes are whole numbers above 0');
  for (const name of Object.keys(cycles) as (keyof typeof cycles)[]) {
    const report = await runCycles(name, { count, lanes, warmUp: Math.max(100, Math.ceil(count / 5)) });
    console.log(JSON.stringify(report, null, 2));
    if (report.left.length > 0) process.exitCode = 1;
  }
}

if (process.argv[1] === import.meta.filename) await main();
