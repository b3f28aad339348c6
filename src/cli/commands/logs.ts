/** `logs [NAME] [-f]` */
import { socketOf, type ClientFlags } from '../context.ts';
import { converse } from '../control/client.ts';
import { renderRecord } from '../render/log.ts';
import { jsonLine, narrate, print } from '../terminal.ts';

export interface LogFlags extends ClientFlags {
  follow?: boolean;
}

export async function logs(name: string | undefined, flags: LogFlags): Promise<void> {
  for await (const answer of converse(await socketOf(flags), 'logs', { name, follow: flags.follow === true })) {
    if ('record' in answer) await print(flags.json ? jsonLine(answer.record) : renderRecord(answer.record));
    else if ('lost' in answer)
      narrate(flags.json ? JSON.stringify({ lost: answer.lost }) : `… ${answer.lost} older records were lost, more came than were read`);
  }
}
