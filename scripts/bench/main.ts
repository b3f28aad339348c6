/** `npm run bench`: measures calls, starts and memory beside the peers. Figures on stdout, narration on stderr. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeDocs } from './docs.ts';
import { judge, type Figure } from './figures.ts';
import { describe, isBusy, thisMachine } from './machine.ts';
import { measure, type Step } from './measure.ts';
import { installPeers } from './peers.ts';
import { lineOf, tableOf, verdictLine } from './report.ts';
import { FULL, QUICK, SUITES, TARGETS } from './suites.ts';

const HELP = `npm run bench -- [options]
  --quick         short rounds, one line a figure, under a minute
  --rounds N      default ${FULL.rounds}, with --quick ${QUICK.rounds}
  --only NAME     one suite (${SUITES.map(({ name }) => name).join(', ')}) or one subject; repeatable
  --json FILE     default bench-results/<time>.json
  --write-docs    puts the tables into docs/performance.md`;

const say = (line: string): boolean => process.stderr.write(`bench: ${line}\n`);
const print = (text: string): boolean => process.stdout.write(`${text}\n`);

/** A suite or a subject that `--only` names takes along the others that its figures are ratios of. */
function stepsFor(only: readonly string[]): Step[] {
  const unknown = only.find((name) => !SUITES.some((suite) => suite.name === name || Object.hasOwn(suite.subjects, name)));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is no such suite or subject`);
  return SUITES.flatMap((suite) => {
    const subjects = Object.keys(suite.subjects);
    const chosen = only.length === 0 || only.includes(suite.name) ? subjects : subjects.filter((subject) => only.includes(subject));
    const bases = chosen.length === 0 ? [] : suite.metrics.flatMap(({ over }) => over);
    return subjects.filter((subject) => chosen.includes(subject) || bases.includes(subject)).map((subject) => ({ suite, subject }));
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void print(HELP);
  const preset = values.quick ? QUICK : FULL;
  const effort = { ...preset, rounds: Number(values.rounds ?? preset.rounds) };
  if (!Number.isInteger(effort.rounds) || effort.rounds < 1) throw new Error('--rounds takes a whole number from 1');
  const steps = stepsFor(values.only);
  if (!existsSync(new URL('../../dist/src/index.js', import.meta.url))) throw new Error('there is no dist/: run `npm run build` first');
  installPeers();

  const machine = thisMachine();
  if (isBusy(machine)) say('other programs are running: wait until the machine is quiet for figures that mean something');
  const started = performance.now();
  const rounds = await measure(steps, effort, ({ suite, subject }, round) => say(`round ${round} of ${effort.rounds}: ${suite.name}, ${subject}`));
  const figures = SUITES.flatMap((suite) => rounds.figures(suite));
  const verdicts = judge(TARGETS, figures);

  const about = `${describe(machine)}; ${effort.rounds} rounds, medians`;
  const tables = SUITES.map((suite) => ({ suite, own: figures.filter((figure) => figure.suite === suite.name) })).filter(({ own }) => own.length > 0);
  const text = [about, ...tables.map(({ suite, own }) => `### ${suite.title}\n\n${tableOf(suite, own)}`)].join('\n\n');
  if (values.quick) print([about, ...tables.flatMap(({ suite, own }) => own.map((figure: Figure) => lineOf(suite, figure)))].join('\n'));
  else print(text);
  print('');
  for (const verdict of verdicts)
    print(
      verdictLine(
        verdict,
        SUITES.find(({ name }) => name === verdict.suite)!,
      ),
    );

  const file = resolve(values.json ?? `bench-results/${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), machine, effort, figures, verdicts }, null, 2)}\n`);
  if (values['write-docs']) writeDocs(text);
  say(`${Math.round((performance.now() - started) / 1000)} s; written to ${file}`);
}

try {
  await main();
} catch (error) {
  say((error as Error).message);
  process.exitCode = 1;
}
