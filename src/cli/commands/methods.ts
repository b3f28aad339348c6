/** `methods NAME` */
import { inquire, type ClientFlags } from '../context.ts';
import { plainLine, print, printJson } from '../terminal.ts';

export async function methods(name: string, flags: ClientFlags): Promise<void> {
  const answer = (await inquire(flags, 'methods', { name })) as string[];
  if (flags.json) await printJson(answer);
  else for (const method of answer) await print(plainLine(method));
}
