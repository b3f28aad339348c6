/** `status [NAME]` */
import type { PluginStatus, SupervisorStatus } from '../../index.ts';
import { inquire, type ClientFlags } from '../context.ts';
import { renderPlugin, renderSupervisor } from '../render/status.ts';
import { print, printJson } from '../terminal.ts';

export async function status(name: string | undefined, flags: ClientFlags): Promise<void> {
  const answer = await inquire(flags, 'status', { name });
  if (flags.json) await printJson(answer);
  else await print(name === undefined ? renderSupervisor(answer as SupervisorStatus) : renderPlugin(answer as PluginStatus));
}
