/**
 * Puts the tables and curves of a run into docs/performance.md, between two markers; the words around them are written by hand. Curves that
 * an earlier run drew, and this one did not, go.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Drawing } from './curves.ts';

const FOLDER = new URL('../../docs/', import.meta.url);
const FILE = new URL('performance.md', FOLDER);
const BEGIN = '<!-- bench:begin -->';
const END = '<!-- bench:end -->';

export function writeDocs(text: string, drawings: readonly Drawing[]): void {
  const page = readFileSync(FILE, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`docs/performance.md has no ${BEGIN} … ${END}`);
  for (const file of readdirSync(FOLDER)) if (/^performance-.*\.svg$/.test(file)) rmSync(new URL(file, FOLDER));
  for (const { file, svg } of drawings) writeFileSync(new URL(file, FOLDER), svg);
  writeFileSync(FILE, `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`);
}
