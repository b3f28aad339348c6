/** `load DIR`, `reload NAME`, `rollback NAME`, `unload NAME[@VERSION]`: what changes which version runs. */
import path from 'node:path';
import type { RolloutResult } from '../../index.ts';
import { parseReference } from '../arguments.ts';
import { command, type ClientFlags } from '../context.ts';
import { duration, millis } from '../render/units.ts';
import { plain, print, printJson } from '../terminal.ts';

/** The folder is meant from where the user is, not from where the supervisor is. */
export const load = (dir: string, flags: ClientFlags): Promise<void> => roll('load', { dir: path.resolve(dir) }, flags);
export const reload = (name: string, flags: ClientFlags): Promise<void> => roll('reload', { name }, flags);
export const rollback = (name: string, flags: ClientFlags): Promise<void> => roll('rollback', { name }, flags);

export async function unload(reference: string, flags: ClientFlags): Promise<void> {
  const { name, version } = parseReference(reference);
  await command(flags, 'unload', { name, version });
  await (flags.json ? printJson({ plugin: name, version: version ?? null, outcome: 'unloaded' }) : print(`${plain(reference)} unloaded`));
}

async function roll(op: string, params: object, flags: ClientFlags): Promise<void> {
  const result = (await command(flags, op, params)) as RolloutResult;
  await (flags.json ? printJson(result) : print(describe(result)));
}

function describe({ plugin, from, to, phases }: RolloutResult): string {
  const total = phases.reduce((sum, { ms }) => sum + ms, 0);
  const change = from === null ? to : from === to ? `${to} with a fresh process` : `${from} → ${to}`;
  return `${plain(plugin)} ${plain(change)} is active, after ${total < 1000 ? `${millis(total)} ms` : duration(total)}`;
}
