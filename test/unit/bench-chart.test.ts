/** The curves of `npm run bench`, as text. */
import { expect, test } from 'vitest';
import { svgOf, type Chart } from '../../scripts/bench/chart.ts';

const chart: Chart = {
  title: 'a < b & "c"',
  x: { title: 'load', scale: 'log', ticks: [0.5, 1, 10] },
  y: { title: 'share', scale: 'linear' },
  curves: [
    {
      name: 'first',
      points: [
        [0.5, 0],
        [1, 0.37],
        [10, 1],
      ],
    },
    { name: 'second', points: [[10, 0.5]] },
  ],
};
const places = (svg: string): [number, number][] => [...svg.matchAll(/cx="([^"]*)" cy="([^"]*)"/g)].map(([, x, y]) => [Number(x), Number(y)]);

test('the same figures give the same bytes', () => {
  expect(svgOf(chart)).toBe(svgOf(structuredClone(chart)));
});

test('words are escaped, and every curve is drawn and named', () => {
  const svg = svgOf(chart);
  expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  expect(svg).toMatch(/>first<.*>second</s);
});

test.each([
  ['linear', [0, 0.001, 3, 4_900]],
  ['linear', [0, 0]],
  ['log', [0, 0.02, 3, 4_900]],
  ['log', [7, 7]],
] as const)('on a %s axis %j stay within the chart, the largest on top', (scale, values) => {
  const drawn = places(svgOf({ ...chart, y: { title: '', scale }, curves: [{ name: '', points: values.map((value) => [1, value]) }] }));
  expect(drawn).toHaveLength(values.length);
  for (const [x, y] of drawn) {
    expect(x).toBeGreaterThan(0);
    expect(y).toBeGreaterThanOrEqual(48);
    expect(y).toBeLessThanOrEqual(312);
  }
  expect(drawn.at(-1)![1]).toBe(Math.min(...drawn.map(([, y]) => y)));
});
