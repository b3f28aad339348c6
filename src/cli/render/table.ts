/** Columns without lines, as `ps` and `docker ps` have them. */
import Table from 'cli-table3';
import { paint, plainLine } from '../terminal.ts';

const NO_LINES = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((part) => [part, '']),
);

export interface Column {
  title: string;
  align?: 'left' | 'right';
}

/** Cells may be painted, but must not hold what a plugin chose unless it went through `cell`. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = new Table({
    head: columns.map(({ title }) => paint('bold', title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: { ...NO_LINES, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  lines.push(...rows.map((row) => [...row]));
  return lines
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A cell with text from outside. */
export function cell(value: string | number | null | undefined): string {
  return value === null || value === undefined ? '-' : plainLine(String(value));
}
