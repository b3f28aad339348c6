/** docs/reliability.md says what the tests and the code say. */
import { expect, test } from 'vitest';
import { readPage, reliabilityPage, titlesIn } from '../../scripts/write-reliability.ts';

test('the tables of docs/reliability.md are what the tests, the options and the constants make them', async () => {
  const page = readPage();
  expect(await reliabilityPage(page), 'run `npx tsx scripts/write-reliability.ts`').toBe(page);
});

test('titles are found where they stand, on the line of the call or below it', () => {
  const source = "test('one', () => {});\ntest.each([\n  ['no title', 1],\n])(\n  'two %s',\n  async () => {},\n);\nexpect(call(`three ${n}`, 1));";
  expect(titlesIn('a.test.ts', source).map(({ title }) => title)).toEqual(['one', 'two %s', 'three ${n}']);
});
