/** Programs that we start by name are found by absolute folders alone. */
import { expect, test } from 'vitest';
import { childEnvironment } from '../../src/process/environment.ts';
import { absolutePath } from '../../src/util/programs.ts';

test.each([
  ['relative folders', 'bin:/usr/bin:./node_modules/.bin:/bin', '/usr/bin:/bin'],
  ['empty entries, which mean the working directory', ':/usr/bin::/bin:', '/usr/bin:/bin'],
  ['nothing', '/usr/local/bin:/usr/bin', '/usr/local/bin:/usr/bin'],
  ['all there is', '.', ''],
])('a PATH loses %s', (_, given, kept) => {
  expect(absolutePath(given)).toBe(kept);
});

test('a child looks for programs in absolute folders, unless its own options say otherwise', () => {
  expect(childEnvironment({ PATH: 'bin:/usr/bin' }, { env: {}, passEnv: [] }, {})).toEqual({ PATH: '/usr/bin' });
  expect(childEnvironment({ PATH: 'bin:/usr/bin' }, { env: { PATH: 'bin' }, passEnv: [] }, {})).toEqual({ PATH: 'bin' });
});
