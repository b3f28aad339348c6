/** Each defence that docs/security.md names is held by a test that exists. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { titlesIn } from '../../scripts/write-reliability.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/security.md'), 'utf8');
const CITATION = /\[[\w-]+\]\(\.\.\/(test\/[\w./-]+)\): ([^|]+?)(?=<br>| *\|)/g;

interface Citation {
  file: string;
  title: string;
}

const citationsIn = (text: string): Citation[] => Array.from(text.matchAll(CITATION), ([, file, title]) => ({ file: file!, title: title! }));
const plain = (title: string): string => title.replaceAll("\\'", "'").replaceAll('\\|', '|');

const titles = new Map<string, Set<string>>();

function titlesOf(file: string): Set<string> {
  let known = titles.get(file);
  if (known === undefined) {
    known = new Set(titlesIn(file, readFileSync(join(root, file), 'utf8')).map(({ title }) => plain(title)));
    titles.set(file, known);
  }
  return known;
}

/** A citation may name the `describe` around a test first: `group › title`. */
const exists = ({ file, title }: Citation): boolean => title.split(' › ').every((part) => titlesOf(file).has(part));

test('every test that docs/security.md cites exists under that title', () => {
  const cited = citationsIn(page);
  expect(cited.length).toBeGreaterThan(20);
  expect(cited.filter((each) => !exists(each))).toEqual([]);
});

test('every attack in the table of defences has a test beside it', () => {
  const rows = page.split('<!-- defended:begin -->')[1]!.split('<!-- defended:end -->')[0]!.split('\n');
  const attacks = rows.filter((line) => line.startsWith('| ') && !/^\| (Attack|-)/.test(line));
  expect(attacks.length).toBeGreaterThan(20);
  expect(attacks.filter((line) => citationsIn(line).length === 0)).toEqual([]);
});
