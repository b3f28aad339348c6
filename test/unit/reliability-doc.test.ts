/** docs/reliability.md says what the tests and the code say. */
import { expect, test } from 'vitest';
import { readPage, reliabilityPage, testsOf, titlesIn } from '../../scripts/write-reliability.ts';

test('the tables of docs/reliability.md are what the tests, the options and the constants make them', async () => {
  const page = readPage();
  expect(await reliabilityPage(page), 'run `npx tsx scripts/write-reliability.ts`').toBe(page);
});

test('titles are found where they stand, on the line of the call or below it', () => {
  const source = "test('one', () => {});\ntest.each([\n  ['no title', 1],\n])(\n  'two %s',\n  async () => {},\n);\nexpect(call(`three ${n}`, 1));";
  expect(titlesIn('a.test.ts', source).map(({ title }) => title)).toEqual(['one', 'two %s', 'three ${n}']);
});

test('a fault that no test runs in rounds is an error, whatever else names it', () => {
  const headings = titlesIn('b.test.ts', "test('F99 by its file', () => {});");
  const once = titlesIn('a.test.ts', "describe('F99 once', () => {});\ntest('F98', () => {});");
  expect(() => testsOf('F99', { titles: once, headings })).toThrow(/F99 is run by no test in rounds/);
  const rounds = titlesIn('a.test.ts', "rounds(\n  'F99 again and again, and F97',\n  async () => {},\n);\ntest('F99 once', () => {});");
  expect(testsOf('F99', { titles: rounds, headings: [] })).toMatch(/again and again.*<br>.*\(outside the rounds\)$/);
  expect(() => testsOf('F98', { titles: rounds, headings })).toThrow(/F98/);
});
