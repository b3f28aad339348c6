/**
 * Runs the rounds: every subject in a process of its own, one after the other, every other round backwards, so that nobody always
 * runs on a machine that others have warmed up.
 */
import { execFile } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Rounds, type Measured } from './figures.ts';
import type { Effort, Suite } from './suites.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;

export interface Step {
  suite: Suite;
  /** Null: all of the suite's subjects, which one process measures in turns. */
  subject: string | null;
}

/** With the Node at `nodePath`. */
export async function measure(
  nodePath: string,
  steps: readonly Step[],
  effort: Effort,
  onStep: (step: Step, round: number) => void,
): Promise<Rounds> {
  const rounds = new Rounds();
  for (let round = 1; round <= effort.rounds; round++) {
    for (const step of round % 2 === 1 ? steps : steps.toReversed()) {
      onStep(step, round);
      const measured = await driven(nodePath, step, effort);
      for (const [subject, values] of Object.entries(measured)) rounds.add(step.suite, subject, values);
    }
  }
  return rounds;
}

async function driven(nodePath: string, { suite, subject }: Step, effort: Effort): Promise<Record<string, Measured>> {
  const driver = fileURLToPath(new URL(`drivers/${suite.driver}`, import.meta.url));
  const args = [...suite.nodeArgs, driver, subject ?? '-', String(suite.amount(effort))];
  // First on the PATH too, so that what is started by name is the same Node. Which reads its extra certificates at each start, where it is told of any.
  const env = { ...process.env, PATH: `${dirname(nodePath)}${delimiter}${process.env.PATH ?? ''}`, NODE_EXTRA_CA_CERTS: undefined };
  const { stdout } = await run(nodePath, args, { timeout: TIMEOUT_MS, env });
  const measured: unknown = JSON.parse(stdout);
  return subject === null ? (measured as Record<string, Measured>) : { [subject]: measured as Measured };
}
