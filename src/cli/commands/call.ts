/** `call NAME[@RANGE] METHOD [JSON-ARGS|@file|-]` */
import { parseArguments } from '../arguments.ts';
import { command, type ClientFlags } from '../context.ts';
import { print, printJson } from '../terminal.ts';

export interface CallFlags extends ClientFlags {
  timeout?: number;
}

export async function call(plugin: string, method: string, given: string | undefined, flags: CallFlags): Promise<void> {
  const args = await parseArguments(given);
  const result = await command(flags, 'call', { plugin, method, args, timeoutMs: flags.timeout });
  // For a program a string is JSON like any other result; a person wants to read it.
  if (typeof result === 'string' && process.stdout.isTTY && !flags.json) await print(result);
  else await printJson(result);
}
