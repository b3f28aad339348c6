/** Figures as people read them: Markdown tables, which read well on a terminal too, or one line each. */
import type { Drawing } from './curves.ts';
import type { Figure, Verdict } from './figures.ts';
import { describe, type Machine } from './machine.ts';
import { SUITES, type Effort, type Metric, type Suite } from './suites.ts';

/** What one version of Node came to. */
export interface Results {
  machine: Machine;
  effort: Effort;
  figures: Figure[];
  verdicts: Verdict[];
}

const KIB = 1024;
const MIB = KIB * KIB;
const number = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });

function amount(value: number, unit: Metric['unit']): string {
  if (unit === '×') return times(value);
  if (unit !== 'bytes') return `${number.format(value)} ${unit}`;
  return Math.abs(value) < MIB ? `${number.format(value / KIB)} KiB` : `${number.format(value / MIB)} MiB`;
}

const times = (ratio: number | undefined): string => (ratio === undefined ? '' : `${ratio.toFixed(2)} ×`);

const about = ({ machine, effort }: Results): string =>
  `${describe(machine)}; ${effort.rounds === 1 ? '1 round' : `${effort.rounds} rounds, medians`}`;

/** All tables, with the curves below those of the suite that they are drawn from. */
export function pageOf(results: Results, drawings: readonly Drawing[]): string {
  const sections = SUITES.flatMap((suite) => {
    const own = results.figures.filter((figure) => figure.suite === suite.name);
    if (own.length === 0) return [];
    const pictures = suite.name === 'pressure' ? drawings.map(({ file, title }) => `![${title}](${file})`) : [];
    return [`### ${suite.title}`, tableOf(suite, own), ...pictures];
  });
  return [`## On Node ${results.machine.node.split('.')[0]}`, about(results), ...sections].join('\n\n');
}

export function linesOf(results: Results): string {
  const lines = results.figures.map((figure) => lineOf(suiteOf(figure.suite), figure));
  return [about(results), ...lines].join('\n');
}

const suiteOf = (name: string): Suite => SUITES.find((suite) => suite.name === name)!;

/** As many columns as fit on a page. */
const MAX_COLUMNS = 12;

/** A row for each subject, a column for each metric and each of its ratios; or the other way round, where there are many of those. */
function tableOf(suite: Suite, figures: readonly Figure[]): string {
  const subjects = Object.entries(suite.subjects).filter(([subject]) => figures.some((figure) => figure.subject === subject));
  const header = ['', ...suite.metrics.flatMap(({ title, over }) => [title, ...over.map((base) => `÷ ${base}`)])];
  const cells = (subject: string): string[] =>
    suite.metrics.flatMap(({ id, over }) => {
      const figure = figures.find((each) => each.subject === subject && each.metric === id);
      const value = figure === undefined ? '' : amount(figure.median, figure.unit);
      return [value, ...over.map((base) => times(figure?.ratios.find((ratio) => ratio.over === base)?.median))];
    });
  const rows = subjects.map(([subject, title]) => [title].concat(cells(subject)));
  if (header.length <= MAX_COLUMNS) return markdown(header, rows);
  const [titles, ...turned] = header.map((title, column) => [title].concat(rows.map((row) => row[column]!)));
  return markdown(titles!, turned);
}

/** The first column to the left, numbers to the right. */
function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, column: number): string => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!));
  const line = (row: readonly string[]): string => `| ${row.map(pad).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

function lineOf(suite: Suite, figure: Figure): string {
  const title = suite.metrics.find(({ id }) => id === figure.metric)!.title;
  const ratios = figure.ratios.map(({ over, median }) => `${times(median)} ${over}`).join(', ');
  return `${suite.name.padEnd(9)}  ${figure.subject.padEnd(18)}  ${title}: ${amount(figure.median, figure.unit)}${ratios && `  (${ratios})`}`;
}

export function verdictLine(verdict: Verdict): string {
  const suite = suiteOf(verdict.suite);
  const { title, unit } = suite.metrics.find(({ id }) => id === verdict.metric)!;
  const show = (value: number): string => (verdict.over === null ? amount(value, unit) : `${times(value)} ${verdict.over}`);
  const limit = verdict.atLeast === undefined ? `at most ${show(verdict.atMost!)}` : `at least ${show(verdict.atLeast)}`;
  return `${verdict.reached ? 'reached' : 'MISSED '}  ${suite.name}, ${verdict.subject}, ${title}: ${limit}; measured ${show(verdict.measured)}`;
}
