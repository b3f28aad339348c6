/**
 * What the rounds came to. A figure is the median of its rounds; a ratio is the median of the rounds' own ratios, so that what slows
 * a whole round down, such as another program, cancels out.
 */
import type { Metric, Suite } from './suites.ts';
import type { Target } from './targets.ts';

export interface Figure {
  suite: string;
  subject: string;
  metric: string;
  unit: Metric['unit'];
  median: number;
  ratios: { over: string; median: number }[];
  rounds: number[];
}

export interface Verdict extends Target {
  measured: number;
  reached: boolean;
}

/** What one subject measured in one round, by metric. */
export type Measured = Readonly<Record<string, number>>;

export class Rounds {
  readonly #measured = new Map<string, Measured[]>();

  add(suite: Suite, subject: string, measured: Measured): void {
    const key = `${suite.name}/${subject}`;
    const rounds = this.#measured.get(key);
    if (rounds === undefined) this.#measured.set(key, [measured]);
    else rounds.push(measured);
  }

  figures(suite: Suite): Figure[] {
    return Object.keys(suite.subjects).flatMap((subject) => suite.metrics.flatMap((metric) => this.#figure(suite, subject, metric) ?? []));
  }

  #figure(suite: Suite, subject: string, metric: Metric): Figure | null {
    const rounds = this.#rounds(suite, subject, metric);
    if (rounds.length === 0) return null;
    const ratios = metric.over.flatMap((over) => {
      const base = this.#rounds(suite, over, metric);
      return over === subject || base.length === 0 ? [] : [{ over, median: median(rounds.map((value, round) => value / base[round]!)) }];
    });
    return { suite: suite.name, subject, metric: metric.id, unit: metric.unit, median: median(rounds), ratios, rounds };
  }

  #rounds(suite: Suite, subject: string, metric: Metric): number[] {
    const rounds = this.#measured.get(`${suite.name}/${subject}`) ?? [];
    return rounds.map((measured) => measured[metric.id]).filter((value) => value !== undefined);
  }
}

/** Of those targets whose figures were measured. */
export function judge(targets: readonly Target[], figures: readonly Figure[]): Verdict[] {
  return targets.flatMap((target) => {
    const figure = figures.find((each) => each.suite === target.suite && each.metric === target.metric && each.subject === target.subject);
    const measured = target.over === null ? figure?.median : figure?.ratios.find(({ over }) => over === target.over)?.median;
    if (measured === undefined) return [];
    return [{ ...target, measured, reached: measured >= (target.atLeast ?? -Infinity) && measured <= (target.atMost ?? Infinity) }];
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
