/**
 * `npm run corpus [-- --only a,b | --ten]`: real packages from the registry, each in a plugin of its own that is run, reloaded, built, installed
 * and called; then pairs of versions that exclude each other, side by side. Prints a table, and fails where an answer is not the right one.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs, promisify } from 'node:util';
import { buildPlugin } from '../../src/build/build.ts';
import { createSupervisor, type Supervisor } from '../../src/index.ts';
import { installPlugin } from '../../src/install/api.ts';
import type { Entry, Pair } from './entry.ts';
import { native } from './native.ts';
import { pairs } from './pairs.ts';
import { trees } from './trees.ts';

const TIMEOUTS = { startTimeoutMs: 60_000, callTimeoutMs: 60_000 };
const npm = promisify(execFile);

interface Row {
  name: string;
  kind: string;
  /** How far it came, with the time that each step took. */
  steps: string[];
  /** Packages that were installed with the built plugin. */
  outside: string;
  problem: string | null;
}

const { values } = parseArgs({
  options: { only: { type: 'string' }, ten: { type: 'boolean', default: false }, verbose: { type: 'boolean', default: false } },
});
const only = values.only?.split(',');
const chosen = [...native, ...trees].filter(({ name, inCi }) => (only === undefined ? !values.ten || inCi === true : only.includes(name)));
const chosenPairs = pairs.filter(({ name }) => (only === undefined ? !values.ten : only.includes(`${name} pair`)));
const unknown =
  only?.filter((name) => !chosen.some((entry) => entry.name === name) && !chosenPairs.some((pair) => `${pair.name} pair` === name)) ?? [];
if (unknown.length > 0) throw new Error(`the corpus has no ${unknown.join(', ')}`);

const rows: Row[] = [];
for (const entry of chosen) rows.push(report(await tryEntry(entry)));
for (const pair of chosenPairs) rows.push(report(await tryPair(pair)));
const failed = rows.filter(({ problem }) => problem !== null);
console.log(
  `\n${rows.length - failed.length} of ${rows.length} are right${failed.length === 0 ? '' : `; wrong: ${failed.map(({ name }) => name).join(', ')}`}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

function report(row: Row): Row {
  const { name, kind, steps, outside, problem } = row;
  console.log(`${problem === null ? 'right' : 'WRONG'}  ${kind.padEnd(9)}  ${name.padEnd(14)}  ${steps.join(', ').padEnd(62)}  ${outside}`);
  if (problem !== null)
    console.log(
      `       ${problem
        .split('\n')
        .slice(0, values.verbose ? Infinity : 6)
        .join('\n       ')}`,
    );
  return row;
}

async function tryEntry(entry: Entry): Promise<Row> {
  const { name, kind } = entry;
  const steps: string[] = [];
  let outside = '';
  const problem = await inFolder(async (folder) => {
    const step = stepper(steps);
    const dir = await step('npm install', () => makeProject(entry, join(folder, 'project')));
    const call = async (supervisor: Supervisor): Promise<void> => check(entry, await supervisor.call(pluginName(entry), 'answer', []));
    await step('run', () =>
      withSupervisor(async (supervisor) => {
        await supervisor.load(dir);
        await call(supervisor);
        await supervisor.reload(pluginName(entry));
        await call(supervisor);
      }),
    );
    const { file, dependencies, warnings } = await step('build', () => buildPlugin(dir, { file: join(folder, 'built.tgz') }));
    outside = Object.keys(dependencies).join(' ');
    if (values.verbose && warnings !== '') console.log(warnings.trimEnd());
    const installed = await step('install', () => installPlugin(file, { pluginDir: join(folder, 'plugins') }));
    await step('call', () =>
      withSupervisor(async (supervisor) => {
        await supervisor.load(installed.dir);
        await call(supervisor);
      }),
    );
  });
  return { name, kind, steps, outside, problem };
}

/** Both versions are installed in one folder, and answer at the same time. */
async function tryPair({ name, plugins }: Pair): Promise<Row> {
  const steps: string[] = [];
  const problem = await inFolder(async (folder) => {
    const step = stepper(steps);
    const pluginDir = join(folder, 'plugins');
    for (const [index, entry] of plugins.entries()) {
      const dir = await step('npm install', () => makeProject(entry, join(folder, `project-${index}`)));
      const { file } = await step('build', () => buildPlugin(dir, { file: join(folder, `built-${index}.tgz`) }));
      await step('install', () => installPlugin(file, { pluginDir }));
    }
    await step('call', () =>
      withSupervisor(async (supervisor) => {
        const answers = await Promise.all(plugins.map((entry) => supervisor.call(pluginName(entry), 'answer', [])));
        for (const [index, entry] of plugins.entries()) check(entry, answers[index]);
      }, pluginDir),
    );
  });
  return { name, kind: 'pair', steps, outside: plugins.map(({ packages }) => Object.values(packages)[0]!).join(' and '), problem };
}

function pluginName({ name }: Entry): string {
  return `corpus-${name.replace(/[^a-z0-9]+/g, '-')}`;
}

async function makeProject(entry: Entry, dir: string): Promise<string> {
  const { packages, source, external, files = {} } = entry;
  await mkdir(dir, { recursive: true });
  const manifest = { name: pluginName(entry), version: '1.0.0', private: true, type: 'module', main: 'index.js', dependencies: packages };
  const more = { files: Object.keys(files), ...(external === undefined ? {} : { chameleon: { external } }) };
  const all = { ...files, 'index.js': source, 'package.json': JSON.stringify({ ...manifest, ...more }) };
  for (const [file, text] of Object.entries(all)) await writeFile(join(dir, file), text);
  await npm('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: dir, maxBuffer: 2 ** 24 });
  return dir;
}

function check({ answer }: Entry, got: unknown): void {
  if (!isDeepStrictEqual(got, answer)) throw new Error(`answered ${JSON.stringify(got)?.slice(0, 500)}, right is ${JSON.stringify(answer)}`);
}

async function withSupervisor(work: (supervisor: Supervisor) => Promise<void>, pluginDir?: string): Promise<void> {
  await using supervisor = await createSupervisor({ defaults: TIMEOUTS, ...(pluginDir === undefined ? {} : { pluginDir }) });
  await work(supervisor);
}

function stepper(steps: string[]): <T>(name: string, work: () => Promise<T>) => Promise<T> {
  return async (name, work) => {
    const began = performance.now();
    const result = await work().catch((error: unknown) => {
      throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    });
    steps.push(`${name} ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return result;
  };
}

/** Null when the work is done, else why not. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'chameleon-corpus-'));
  try {
    await work(folder);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
