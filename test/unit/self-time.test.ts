/** What `npm run profile` makes of a profile. */
import { expect, test } from 'vitest';
import { selfTimes } from '../../scripts/profile/self-time.ts';

const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber });

test('a function has the time of its samples, however it was reached, as a share of the time that was not idle', () => {
  const found = selfTimes({
    nodes: [
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: frame('work', 'file:///app/dist/src/call.js', 9) },
      { id: 3, callFrame: frame('work', 'file:///app/dist/src/call.js', 9) },
      { id: 4, callFrame: frame('', 'node:internal/timers', 0) },
    ],
    samples: [1, 2, 3, 4, 1],
    timeDeltas: [500, 200, 100, 100, 500],
  });
  expect(found).toEqual({
    busyMs: 0.4,
    idleMs: 1,
    functions: [
      { name: 'work  src/call.js:10', share: 0.75 },
      { name: '(anonymous)  node:internal/timers:1', share: 0.25 },
    ],
  });
});
