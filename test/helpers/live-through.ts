/** The life of a supervisor, for hosts of many kinds: it is compiled and run where no other helper can be. Sets no timer itself. */
import { availableParallelism } from 'node:os';
import type { createSupervisor, RolloutPhase } from '../../src/index.ts';

/** Folders of plugins, `next` of a later version of `polite`, and a file to write to. */
export interface Belongings {
  polite: string;
  next: string;
  flaky: string;
  ledger: string;
}

/** What each step came to. Its order is always the same, and it ends only if every step settles. */
export async function liveThrough(create: typeof createSupervisor, { polite, next, flaky, ledger }: Belongings): Promise<string[]> {
  const steps: string[] = [];
  const codeOf = (error: unknown): string => (error as { code: string }).code;
  const retry = { attempts: 3, backoffMs: 50, budgetRatio: 1 };
  const supervisor = await create({ defaults: { retry, rollout: { holdMs: 200 }, restart: { backoffMs: 50 } } });
  const retired = new Promise<RolloutPhase>((resolve) => {
    supervisor.on('rollout-phase', ({ phase, version }) => phase === 'retired' && version === '2.0.0' && resolve(phase));
  });
  await Promise.all([supervisor.load(polite), supervisor.load(flaky)]);
  steps.push(`retried: ${String(await supervisor.call('flaky', 'inCode', [ledger, 2]))} attempts`);
  steps.push(`deadline: ${await supervisor.call('polite', 'sleep', [60_000], { timeoutMs: 100 }).then(String, codeOf)}`);
  steps.push(`crash: ${await supervisor.call('polite', 'exit', [1]).then(String, codeOf)}`);
  steps.push(`restarted: ${JSON.stringify(await supervisor.call('polite', 'echo', ['again']))}`);
  // More starts than may run at a time.
  for (let left = 2 * availableParallelism() + 1; left > 0; left--) await supervisor.reload('polite');
  await supervisor.load(next);
  steps.push(`hold: ${await retired}`);
  const { killed, abandonedCalls } = await supervisor.close();
  steps.push(`closed: ${killed} killed, ${abandonedCalls} abandoned`);
  return steps;
}

export const EXPECTED_STEPS = [
  'retried: 3 attempts',
  'deadline: ERR_CALL_TIMEOUT',
  'crash: ERR_PLUGIN_CRASHED',
  'restarted: "again"',
  'hold: retired',
  'closed: 0 killed, 0 abandoned',
];
