/** `metrics [NAME]` */
import type { MetricsSnapshot } from '../../index.ts';
import { inquire, type ClientFlags } from '../context.ts';
import { renderMetrics } from '../render/metrics.ts';
import { print, printJson } from '../terminal.ts';

export async function metrics(name: string | undefined, flags: ClientFlags): Promise<void> {
  const answer = (await inquire(flags, 'metrics', { name })) as MetricsSnapshot;
  await (flags.json ? printJson(answer) : print(renderMetrics(answer)));
}
