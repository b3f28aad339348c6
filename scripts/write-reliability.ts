/**
 * Writes the tables of docs/reliability.md between their markers: fault → outcome → rounds → tests, and every bound with its value and
 * its test. The tests are read for their titles and for whether they run in rounds, the values from the options and the constants, so
 * that the page says what is so. A fault that no test runs in rounds is an error.
 * `--check` writes nothing and fails when the page is not what would be written.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { defaultOptions } from '../src/options.ts';
import { LOADS, SEEDS } from '../test/helpers/rounds.ts';
import { bounds, type Bound } from './reliability/bounds.ts';
import { groups } from './reliability/outcomes.ts';

const root = resolve(import.meta.dirname, '..');
const PAGE = join(root, 'docs/reliability.md');
const TITLE = /(\w*)\(\s*(['"`])((?:\\.|(?!\2)[^\n])+)\2\s*,/g;

export interface Title {
  /** Below test/. */
  file: string;
  title: string;
  /** Whether it is a test that runs idle and under load, with each seed (test/helpers/rounds.ts). */
  inRounds: boolean;
}

/** What tests call themselves: the first argument of a call, where that is a text. */
export function titlesIn(file: string, source: string): Title[] {
  return Array.from(source.matchAll(TITLE), ([, callee, , title]) => ({ file, title: title!, inRounds: callee === 'rounds' }));
}

function allTitles(): { titles: Title[]; headings: Title[] } {
  // The packages in `peers` have tests of their own.
  const folders = readdirSync(join(root, 'test')).filter((folder) => folder !== 'peers');
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, 'test', folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file.replaceAll('\\', '/')}`),
  );
  const sources = files
    .filter((file) => file.endsWith('.test.ts'))
    .toSorted()
    .map((file) => ({ file, source: readFileSync(join(root, 'test', file), 'utf8') }));
  return {
    titles: sources.flatMap(({ file, source }) => titlesIn(file, source)),
    // A file that is about one fault alone says so at its head.
    headings: sources.map(({ file, source }) => ({ file, title: source.slice(0, source.indexOf('*/')), inRounds: false })),
  };
}

const link = (file: string): string => `[${file.replace(/^.*\//, '').replace('.test.ts', '')}](../test/${file})`;
const row = (...cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

/** A title as a person reads it: without what stands for its parameters, and without numbers of faults. */
function plain(title: string): string {
  return title
    .replace(/\$\{[^}]*\}|%[sdoij]|\$\w+/g, '…')
    .replace(/\s*\(?\bF\d\d\b[:,]?\)?\s*/g, ' ')
    .replace(/(?:, …)+$/, '')
    .replaceAll("\\'", "'")
    .replaceAll('__', '\\_\\_')
    .trim();
}

/** The lines of a fault's tests. Throws when none of them runs in rounds. */
export function testsOf(number: string, { titles, headings }: { titles: Title[]; headings: Title[] }): string {
  const of = new RegExp(`\\b${number}\\b`);
  const found = titles.filter(({ title }) => of.test(title));
  if (!found.some(({ inRounds }) => inRounds)) throw new Error(`${number} is run by no test in rounds: none has it in its title`);
  const tests = found.map(({ file, title, inRounds }) => `${link(file)}: ${plain(title)}${inRounds ? '' : ' (outside the rounds)'}`);
  // Files that are about this one fault say so at their head.
  const files = headings.filter(({ file, title }) => of.test(title) && !found.some((each) => each.file === file)).map(({ file }) => link(file));
  return [...tests, ...files].join('<br>');
}

const ROUNDS = `${LOADS.toReversed().join(', ')}; seeds ${SEEDS.join(', ')}`;

function faultTables(all: ReturnType<typeof allTitles>): string {
  return groups
    .map(({ title, faults }) => {
      const rows = Object.entries(faults).map(([number, { inject, outcome }]) => row(number, inject, outcome, ROUNDS, testsOf(number, all)));
      return [`### ${title}`, '', row('#', 'Injected', 'Outcome', 'Rounds', 'Tests'), row('---', '---', '---', '---', '---'), ...rows].join('\n');
    })
    .join('\n\n');
}

function boundTable({ titles }: ReturnType<typeof allTitles>): string {
  const rows = bounds.map(({ what, value, test: [file, part] }) => {
    const test = titles.find((each) => each.file === file && each.title.includes(part));
    if (test === undefined) throw new Error(`no test of ${file} has "${part}" in its title`);
    return row(what, nameOf(value), shown(valueOf(value)), `${link(file)}: ${plain(test.title)}`);
  });
  return [row('Bound', 'Option', 'Value', 'Test'), row('---', '---', '---', '---'), ...rows].join('\n');
}

const nameOf = (value: Bound['value']): string => ('option' in value ? `\`${value.option.replace('defaults.', '')}\`` : '');

function valueOf(value: Bound['value']): unknown {
  if ('text' in value) return value.text;
  if ('option' in value) return value.option.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], defaultOptions);
  const found = new RegExp(`\\bconst ${value.constant} = ([\\d_ *]+);`).exec(readFileSync(join(root, value.file), 'utf8'))?.[1];
  if (found === undefined) throw new Error(`${value.file} has no number named ${value.constant}`);
  return found
    .replaceAll('_', '')
    .split(/(?<!\*) ?\* ?(?!\*)/)
    .map((factor) =>
      factor
        .split('**')
        .map(Number)
        .reduce((base, exponent) => base ** exponent),
    )
    .reduce((product, factor) => product * factor, 1);
}

function shown(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') throw new Error('a bound names an option that is no number');
  if (value >= 2 ** 20 && value % 2 ** 20 === 0) return `${value / 2 ** 20} Mi`;
  if (value >= 2 ** 10 && value % 2 ** 10 === 0) return `${value / 2 ** 10} Ki`;
  return value.toLocaleString('en');
}

/** The page as it should be. */
export async function reliabilityPage(page: string): Promise<string> {
  const all = allTitles();
  let text = page;
  for (const [name, table] of [
    ['faults', faultTables(all)],
    ['bounds', boundTable(all)],
  ] as const) {
    const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from === -1 || to < from) throw new Error(`docs/reliability.md has no ${begin} … ${end}`);
    text = `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`;
  }
  return format(text, { ...(await resolveConfig(PAGE)), filepath: PAGE });
}

export const readPage = (): string => readFileSync(PAGE, 'utf8');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = readPage();
  const wanted = await reliabilityPage(page);
  if (!process.argv.includes('--check')) writeFileSync(PAGE, wanted);
  else if (page !== wanted) {
    console.error('docs/reliability.md is not up to date: run `npx tsx scripts/write-reliability.ts`');
    process.exitCode = 1;
  }
}
