/**
 * Runs the rounds: every subject in a process of its own, one after the other, every other round backwards, so that nobody always
 * runs on a machine that others have warmed up.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Rounds, type Measured } from './figures.ts';
import type { Effort, Suite } from './suites.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;

export interface Step {
  suite: Suite;
  subject: string;
}

export async function measure(steps: readonly Step[], effort: Effort, onStep: (step: Step, round: number) => void): Promise<Rounds> {
  const rounds = new Rounds();
  for (let round = 1; round <= effort.rounds; round++) {
    for (const step of round % 2 === 1 ? steps : steps.toReversed()) {
      onStep(step, round);
      rounds.add(step.suite, step.subject, await driven(step, effort));
    }
  }
  return rounds;
}

async function driven({ suite, subject }: Step, effort: Effort): Promise<Measured> {
  const driver = fileURLToPath(new URL(`drivers/${suite.driver}`, import.meta.url));
  const args = [...suite.nodeArgs, driver, subject, String(suite.amount(effort))];
  const { stdout } = await run(process.execPath, args, { timeout: TIMEOUT_MS });
  return JSON.parse(stdout) as Measured;
}
