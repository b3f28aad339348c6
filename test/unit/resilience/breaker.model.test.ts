/**
 * The breaker held against a model of it that is too simple to be wrong: it keeps every result since the last change of state and
 * judges by looking at all of them. 100,000 random steps; fast-check prints the seed of a failure, CHAMELEON_TEST_SEED replays it.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Breaker, type Outcome } from '../../../src/resilience/breaker.ts';
import { runSteps } from './model-run.ts';

type Options = ConstructorParameters<typeof Breaker>[0];

class Model {
  readonly options: Options;
  now = 0;
  steps = 0;
  state: 'closed' | 'open' | 'half-open' | 'isolated' = 'closed';
  changes = 0;
  openedAt = 0;
  results: { at: number; failed: boolean }[] = [];
  probes = { running: 0, succeeded: 0 };
  /** Calls admitted and not recorded, with the number of changes at that time. */
  calls: { generation: number; changes: number; at: number }[] = [];

  constructor(options: Options) {
    this.options = options;
  }

  admits(): boolean {
    if (this.state === 'open' && this.now - this.openedAt >= this.options.openMs) {
      this.change('half-open');
      this.probes = { running: 0, succeeded: 0 };
    }
    if (this.state === 'closed') return true;
    if (this.state !== 'half-open' || this.probes.running + this.probes.succeeded === this.options.halfOpenCalls) return false;
    this.probes.running++;
    return true;
  }

  ends(changes: number, outcome: Outcome, runningMs: number): void {
    if (changes !== this.changes || !this.options.enabled) return;
    const slow = outcome === 'success' && this.options.slowCallMs !== null && runningMs > this.options.slowCallMs;
    const failed = outcome === 'failure' || slow;
    if (this.state === 'half-open') {
      this.probes.running--;
      if (failed) this.change('open');
      else if (outcome === 'success' && ++this.probes.succeeded === this.options.halfOpenCalls) this.change('closed');
    } else if (outcome !== 'ignored') {
      this.results.push({ at: this.now, failed });
      if (this.tooMany(failed)) this.change('open');
    }
  }

  change(to: Model['state']): void {
    this.state = to;
    this.changes++;
    if (to === 'open') this.openedAt = this.now;
    if (to === 'closed') this.results = [];
  }

  window(): { at: number; failed: boolean }[] {
    const { failureRatio, resetIntervalMs } = this.options;
    const bucket = (at: number): number => Math.floor(at / (resetIntervalMs / 10));
    return this.results.filter(({ at }) => (failureRatio === null ? this.now - at < resetIntervalMs : bucket(this.now) - bucket(at) < 10));
  }

  failures(): number {
    const failures = this.window().filter(({ failed }) => failed).length;
    return this.options.failureRatio === null ? Math.min(failures, this.options.maxFailures) : failures;
  }

  tooMany(failed: boolean): boolean {
    const { failureRatio, minimumCalls, maxFailures } = this.options;
    if (failureRatio === null) return failed && this.failures() >= maxFailures;
    const calls = this.window().length;
    return calls >= minimumCalls && this.failures() > 0 && this.failures() / calls >= failureRatio;
  }
}

type Step = fc.Command<Model, Breaker>;

function step(label: string, run: (model: Model, breaker: Breaker) => void): Step {
  return {
    check: () => true,
    toString: () => label,
    run(model, breaker) {
      model.steps++;
      run(model, breaker);
      const { state, failures, retryAfterMs } = breaker.status(model.now);
      const wait = model.state === 'open' ? Math.max(0, model.openedAt + model.options.openMs - model.now) : 0;
      expect({ state, failures, retryAfterMs }).toEqual({ state: model.state, failures: model.failures(), retryAfterMs: wait });
    },
  };
}

const admit = step('admit', (model, breaker) => {
  const admits = model.admits();
  const generation = breaker.admit(model.now);
  expect(generation !== -1).toBe(admits);
  if (admits) model.calls.push({ generation, changes: model.changes, at: model.now });
});

const record = (which: number, outcome: Outcome): Step =>
  step(`record(${which}, ${outcome})`, (model, breaker) => {
    const call = model.calls.splice(which % Math.max(1, model.calls.length), 1)[0];
    if (call === undefined) return;
    model.ends(call.changes, outcome, model.now - call.at);
    breaker.record(call.generation, outcome, model.now, model.now - call.at);
  });

const pass = (ms: number): Step =>
  step(`pass(${ms} ms)`, (model) => {
    model.now += ms;
  });

const isolate = step('isolate', (model, breaker) => {
  if (model.state !== 'isolated') model.change('isolated');
  breaker.isolate(model.now);
});

const restore = step('restore', (model, breaker) => {
  if (model.state === 'closed') model.results = [];
  else model.change('closed');
  breaker.restore(model.now);
});

const steps = [
  ...Array.from({ length: 6 }, () => fc.constant(admit)),
  ...Array.from({ length: 2 }, () => fc.nat(50).map((which) => record(which, 'success'))),
  ...Array.from({ length: 3 }, () => fc.nat(50).map((which) => record(which, 'failure'))),
  fc.nat(50).map((which) => record(which, 'ignored')),
  ...Array.from({ length: 2 }, () => fc.nat(60).map(pass)),
  fc.nat(300).map((n) => (n === 0 ? isolate : n < 20 ? restore : pass(n))),
];

const options: fc.Arbitrary<Options> = fc.record({
  enabled: fc.nat(9).map((n) => n > 0),
  maxFailures: fc.integer({ min: 1, max: 6 }),
  resetIntervalMs: fc.integer({ min: 1, max: 50 }).map((n) => n * 10),
  openMs: fc.integer({ min: 1, max: 200 }),
  halfOpenCalls: fc.integer({ min: 1, max: 4 }),
  failureRatio: fc.option(fc.integer({ min: 0, max: 10 }).map((n) => n / 10)),
  minimumCalls: fc.integer({ min: 1, max: 12 }),
  slowCallMs: fc.option(fc.integer({ min: 1, max: 100 })),
});

it('does what its model does, for 100,000 random steps', async () => {
  await runSteps(100_000, fc.tuple(options, fc.commands(steps, { maxCommands: 500, size: 'max' })), ([chosen, commands]) => {
    const model = new Model(chosen);
    let changes = 0;
    const breaker = new Breaker(chosen, () => changes++);
    fc.modelRun(() => ({ model, real: breaker }), commands);
    expect(changes).toBe(model.changes);
    return model.steps;
  });
});
