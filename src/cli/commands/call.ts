/** `call NAME[@RANGE] METHOD [JSON-ARGS|@file|-] [--out FILE]` */
import { writeFileSync } from 'node:fs';
import { parseArguments } from '../arguments.ts';
import { command, type ClientFlags } from '../context.ts';
import { isSealed } from '../control/bytes.ts';
import { usageError } from '../errors.ts';
import { narrate, plain, plainLine, print, printJson } from '../terminal.ts';

export interface CallFlags extends ClientFlags {
  timeout?: number;
  out?: string;
}

export async function call(plugin: string, method: string, given: string | undefined, flags: CallFlags): Promise<void> {
  if (flags.out === '-' && process.stdout.isTTY) throw usageError('--out - would write to a terminal', 'name a file, or send stdout to one');
  const args = await parseArguments(given);
  const result = await command(flags, 'call', { plugin, method, args, timeoutMs: flags.timeout });
  if (flags.out !== undefined) return writeOut(flags.out, result, flags);
  // For a program a string is JSON like any other result; a person wants to read it.
  if (typeof result === 'string' && process.stdout.isTTY && !flags.json) await print(plain(result));
  else await printJson(result);
}

/** Bytes and text as they are, anything else as JSON. */
async function writeOut(file: string, result: unknown, { json }: CallFlags): Promise<void> {
  const content = isSealed(result) ? Buffer.from(result.$bytes, 'base64') : Buffer.from(typeof result === 'string' ? result : JSON.stringify(result));
  if (file === '-') {
    process.stdout.write(content);
    return;
  }
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw usageError(`cannot write the result to ${JSON.stringify(file)}: ${(error as Error).message}`);
  }
  if (json) await printJson({ out: file, bytes: content.length });
  else narrate(`${plainLine(file)}: ${content.length} bytes`);
}
