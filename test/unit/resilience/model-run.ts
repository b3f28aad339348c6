/** Random steps in any number, with a seed that fast-check prints on failure and CHAMELEON_TEST_SEED brings back. */
import fc from 'fast-check';

const RUNS_PER_SEED = 20;

/** `run` takes one drawn case and returns how many steps it made; cases are drawn until there were `steps` in all. */
export async function runSteps<T>(steps: number, cases: fc.Arbitrary<T>, run: (value: T) => number | Promise<number>): Promise<void> {
  let made = 0;
  for (let seed = Number(process.env['CHAMELEON_TEST_SEED'] ?? Date.now() | 0); made < steps; seed++) {
    const property = fc.asyncProperty(cases, async (value) => {
      made += await run(value);
    });
    await fc.assert(property, { seed, numRuns: RUNS_PER_SEED });
  }
}
