/** What was found to be wrong. One violation of any kind fails the soak; of each kind the first few are kept, to be looked into. */
const VIOLATIONS = [
  'unsettled',
  'settled twice',
  'settled late',
  'ran twice',
  'ran though refused',
  'wrong answer',
  'unexpected error',
  'over concurrency',
  'bystander failed',
  'gave up',
  'orphans',
  'memory grows',
  'descriptors grow',
  'handles grow',
  'gauges not zero',
  'counters disagree',
  'unhandled rejection',
  'process warning',
] as const;

export type Violation = (typeof VIOLATIONS)[number];

export interface Example {
  violation: Violation;
  /** The call that it happened to, where it happened to one. */
  id: number | null;
  text: string;
}

const EXAMPLES = 5;

export class Verdict {
  readonly counts = new Map<Violation, number>(VIOLATIONS.map((violation) => [violation, 0]));
  readonly examples: Example[] = [];

  add(violation: Violation, id: number | null, text: string): void {
    const count = this.counts.get(violation)! + 1;
    this.counts.set(violation, count);
    if (count > EXAMPLES) return;
    this.examples.push({ violation, id, text });
    process.stderr.write(`soak: ${violation}${id === null ? '' : ` (call ${id})`}: ${text}\n`);
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }
}
