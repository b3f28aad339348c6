/**
 * Curves as SVG text: the same input gives the same bytes. Owns axes, scales, legend and colours, which follow the reader's light or
 * dark setting; knows nothing of what is drawn.
 */

export type Point = readonly [x: number, y: number];

interface Curve {
  name: string;
  /** In ascending order of x. On a logarithmic axis what is below its first mark is drawn there. */
  points: readonly Point[];
}

export interface Axis {
  title: string;
  scale: 'linear' | 'log';
  /** Where the axis is marked, from its beginning to its end; else at round numbers. */
  ticks?: readonly number[];
}

export interface Chart {
  title: string;
  x: Axis;
  y: Axis;
  curves: readonly Curve[];
}

interface Scale {
  ticks: readonly number[];
  /** 0 at the first tick, 1 at the last. */
  at(value: number): number;
}

const WIDTH = 720;
const HEIGHT = 400;
const BOX = { left: 84, top: 48, right: WIDTH - 24, bottom: HEIGHT - 88 };
const LIGHT = ['#0969da', '#cf222e', '#1a7f37', '#8250df'];
const DARK = ['#58a6ff', '#ff7b72', '#3fb950', '#d2a8ff'];
const DASHES = ['none', '8 4', '2 4', '10 4 2 4'];
const LEGEND_WIDTH = 170;
const STYLE = `text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}.grid{stroke:#d1d9e0}
${colours(LIGHT)}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#3d444d}${colours(DARK)}}`;

export function svgOf({ title, x, y, curves }: Chart): string {
  const points = curves.flatMap((curve) => curve.points);
  const across = scaleOf(
    x,
    points.map(([value]) => value),
  );
  const up = scaleOf(
    y,
    points.map(([, value]) => value),
  );
  const left = (value: number): string => (BOX.left + across.at(value) * (BOX.right - BOX.left)).toFixed(1);
  const top = (value: number): string => (BOX.bottom - up.at(value) * (BOX.bottom - BOX.top)).toFixed(1);
  const middle = (BOX.left + BOX.right) / 2;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}</style>`,
    text(middle, 24, title, 'middle', 'title'),
    ...up.ticks.flatMap((tick) => [
      `<line class="grid" x1="${BOX.left}" x2="${BOX.right}" y1="${top(tick)}" y2="${top(tick)}"/>`,
      text(BOX.left - 8, Number(top(tick)) + 4, number(tick), 'end'),
    ]),
    ...across.ticks.flatMap((tick) => [
      `<line class="grid" x1="${left(tick)}" x2="${left(tick)}" y1="${BOX.top}" y2="${BOX.bottom}"/>`,
      text(left(tick), BOX.bottom + 20, number(tick), 'middle'),
    ]),
    text(middle, BOX.bottom + 42, x.title, 'middle'),
    `<g transform="rotate(-90)">${text(-(BOX.top + BOX.bottom) / 2, 18, y.title, 'middle')}</g>`,
    ...curves.flatMap((curve, index) => {
      const path = curve.points.map(([px, py]) => `${left(px)},${top(py)}`);
      const at = BOX.left + index * LEGEND_WIDTH;
      return [
        `<polyline class="line c${index}" points="${path.join(' ')}"/>`,
        ...curve.points.map(([px, py]) => `<circle class="dot c${index}" cx="${left(px)}" cy="${top(py)}" r="3.5"/>`),
        `<line class="line c${index}" x1="${at}" x2="${at + 30}" y1="${HEIGHT - 18}" y2="${HEIGHT - 18}"/>`,
        text(at + 38, HEIGHT - 14, curve.name, 'start'),
      ];
    }),
    '</svg>',
  ];
  return `${lines.join('\n')}\n`;
}

function scaleOf({ scale, ticks: given }: Axis, values: readonly number[]): Scale {
  // Zeros alone have no scale of their own.
  const most = Math.max(...values) || 1;
  if (scale === 'linear') {
    const ticks = given ?? roundTicks(most);
    const end = ticks.at(-1)!;
    return { ticks, at: (value) => value / end };
  }
  const least = Math.min(...values.filter((value) => value > 0), most);
  const ticks = given ?? powers(least, most);
  const [from, to] = [Math.log10(ticks[0]!), Math.log10(ticks.at(-1)!)];
  return { ticks, at: (value) => (Math.log10(Math.max(value, ticks[0]!)) - from) / (to - from) };
}

/** From 0, in four to eight steps of 1, 2 or 5 times a power of ten. */
function roundTicks(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [0.2, 0.5, 1, 2].map((factor) => factor * power).find((each) => most / each <= 8)!;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

function powers(least: number, most: number): number[] {
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)));
  return Array.from({ length: to - from + 1 }, (_, index) => Number(`1e${from + index}`));
}

function colours(palette: readonly string[]): string {
  const each = palette.map(
    (colour, index) => `.line.c${index}{fill:none;stroke:${colour};stroke-width:2;stroke-dasharray:${DASHES[index]}}.dot.c${index}{fill:${colour}}`,
  );
  return each.join('');
}

function text(x: number | string, y: number, words: string, anchor: 'start' | 'middle' | 'end', style = ''): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${style && ` class="${style}"`}>${escaped(words)}</text>`;
}

const escaped = (words: string): string => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const format = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });
const number = (value: number): string => format.format(value);
