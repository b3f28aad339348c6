/** Puts the tables of a run into docs/performance.md, between two markers; the words around them are written by hand. */
import { readFileSync, writeFileSync } from 'node:fs';

const FILE = new URL('../../docs/performance.md', import.meta.url);
const BEGIN = '<!-- bench:begin -->';
const END = '<!-- bench:end -->';

export function writeDocs(text: string): void {
  const page = readFileSync(FILE, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`docs/performance.md has no ${BEGIN} … ${END}`);
  writeFileSync(FILE, `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`);
}
