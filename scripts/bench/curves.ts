/** Which figures are drawn, and how. One file for each chart. */
import { svgOf, type Axis, type Chart, type Point } from './chart.ts';
import type { Figure } from './figures.ts';

export interface Drawing {
  /** Under docs/. */
  file: string;
  title: string;
  svg: string;
}

const LOADS = [0.5, 1, 2, 5, 10];
const OFFERED: Axis = { title: 'offered load, as a multiple of the capacity', scale: 'log', ticks: LOADS };

/** Of a run that measured nothing that is drawn: none. `node` is the version it ran on. */
export function drawingsOf(figures: readonly Figure[], node: string): Drawing[] {
  const major = node.split('.')[0]!;
  const overLoad = (metric: string): Point[] =>
    figures
      .filter((figure) => figure.suite === 'pressure' && figure.metric === metric)
      .map(({ subject, median }) => [Number(subject.slice(1)), median]);
  const offered = new Map(overLoad('offered'));
  const charts: [string, Chart][] = [
    [
      'goodput',
      {
        title: `What is answered and what is refused under pressure, Node ${major}`,
        x: OFFERED,
        y: { title: 'share', scale: 'linear' },
        curves: [
          { name: 'answered, ÷ peak', points: overLoad('share') },
          { name: 'refused, ÷ offered', points: overLoad('refused').map(([load, refused]) => [load, refused / offered.get(load)!]) },
        ],
      },
    ],
    [
      'latency',
      {
        title: `Latency under pressure, Node ${major}`,
        x: OFFERED,
        y: { title: 'ms', scale: 'log' },
        curves: [
          { name: 'answers, p50', points: overLoad('p50Ms') },
          { name: 'answers, p99', points: overLoad('p99Ms') },
          { name: 'refusals, p99', points: overLoad('refusedP99Us').map(([load, us]) => [load, us / 1000]) },
        ],
      },
    ],
  ];
  return charts
    .map(([name, chart]) => [name, { ...chart, curves: chart.curves.filter(({ points }) => points.length > 0) }] as const)
    .filter(([, { curves }]) => curves.length > 0)
    .map(([name, chart]) => ({ file: `performance-${name}-node${major}.svg`, title: chart.title, svg: svgOf(chart) }));
}
