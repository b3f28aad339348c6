/** `npm run bench`: measures calls, starts, memory and load beside the peers. Figures on stdout, narration on stderr. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { withNode } from '../fetch-node.ts';
import { drawingsOf } from './curves.ts';
import { writeDocs } from './docs.ts';
import { judge } from './figures.ts';
import { isBusy, thisMachine } from './machine.ts';
import { measure, type Step } from './measure.ts';
import { installPeers } from './peers.ts';
import { linesOf, pageOf, verdictLine, type Results } from './report.ts';
import { FULL, QUICK, SUITES, type Effort } from './suites.ts';
import { TARGETS } from './targets.ts';

const HELP = `npm run bench -- [options]
  --quick         short rounds, one line a figure, under a minute
  --rounds N      default ${FULL.rounds}, with --quick ${QUICK.rounds}
  --only NAME     one suite (${SUITES.map(({ name }) => name).join(', ')}) or one subject; repeatable
  --nodes LIST    versions of Node to measure one after the other, such as 20,24 (Linux on x64); default: the one that runs this
  --json FILE     default bench-results/<time>.json
  --write-docs    puts tables and curves into docs/performance.md`;

const say = (line: string): boolean => process.stderr.write(`bench: ${line}\n`);
const print = (text: string): boolean => process.stdout.write(`${text}\n`);

/** A suite or a subject that `--only` names takes along the others that its figures are ratios of. */
function stepsFor(only: readonly string[], isQuick: boolean): Step[] {
  const unknown = only.find((name) => !SUITES.some((suite) => suite.name === name || Object.hasOwn(suite.subjects, name)));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is no such suite or subject`);
  return SUITES.flatMap((suite): Step[] => {
    const subjects = Object.keys(suite.subjects).filter((subject) => !isQuick || only.includes(subject) || !suite.slow?.includes(subject));
    const chosen = only.length === 0 || only.includes(suite.name) ? subjects : subjects.filter((subject) => only.includes(subject));
    if (chosen.length === 0) return [];
    if (suite.together === true) return [{ suite, subject: null }];
    const bases = suite.metrics.flatMap(({ over }) => over);
    return subjects.filter((subject) => chosen.includes(subject) || bases.includes(subject)).map((subject) => ({ suite, subject }));
  });
}

/** Every suite on one version of Node; null is the one that runs this. */
async function resultsOn(version: string | null, steps: readonly Step[], effort: Effort): Promise<Results> {
  const on = async (nodePath: string): Promise<Results> => {
    const machine = thisMachine(nodePath);
    if (isBusy(machine)) say('other programs are running: wait until the machine is quiet for figures that mean something');
    const rounds = await measure(nodePath, steps, effort, ({ suite, subject }, round) =>
      say(`Node ${machine.node}, round ${round} of ${effort.rounds}: ${suite.name}${subject === null ? '' : `, ${subject}`}`),
    );
    const figures = SUITES.flatMap((suite) => rounds.figures(suite));
    return { machine, effort, figures, verdicts: judge(TARGETS, figures) };
  };
  return version === null ? on(process.execPath) : withNode(version, on);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      nodes: { type: 'string' },
      json: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void print(HELP);
  const preset = values.quick ? QUICK : FULL;
  const effort = { ...preset, rounds: Number(values.rounds ?? preset.rounds) };
  if (!Number.isInteger(effort.rounds) || effort.rounds < 1) throw new Error('--rounds takes a whole number from 1');
  const steps = stepsFor(values.only, effort.isQuick);
  if (!existsSync(new URL('../../dist/src/index.js', import.meta.url))) throw new Error('there is no dist/: run `npm run build` first');
  installPeers();

  const started = performance.now();
  const results: Results[] = [];
  for (const version of values.nodes?.split(',') ?? [null]) results.push(await resultsOn(version, steps, effort));
  for (const each of results) {
    print(values.quick ? linesOf(each) : pageOf(each, []));
    print(`\n${each.verdicts.map(verdictLine).join('\n')}\n`);
  }

  const file = resolve(values.json ?? `bench-results/${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), results }, null, 2)}\n`);
  if (values['write-docs']) {
    const pages = results.map((each) => ({ each, drawings: drawingsOf(each.figures, each.machine.node) }));
    writeDocs(
      pages.map(({ each, drawings }) => pageOf(each, drawings)).join('\n\n'),
      pages.flatMap(({ drawings }) => drawings),
    );
  }
  say(`${Math.round((performance.now() - started) / 1000)} s; written to ${file}`);
}

try {
  await main();
} catch (error) {
  say((error as Error).message);
  process.exitCode = 1;
}
