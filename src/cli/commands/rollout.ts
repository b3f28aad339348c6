/** `load DIR`, `reload NAME`, `rollback NAME`, `unload NAME[@VERSION]`: what changes which version runs. */
import path from 'node:path';
import type { CanaryStep, LoadOptions, RolloutOptions, RolloutResult } from '../../index.ts';
import { parseReference } from '../arguments.ts';
import { command, type ClientFlags } from '../context.ts';
import { duration, millis } from '../render/units.ts';
import { plainLine, print, printJson } from '../terminal.ts';

export interface RolloutFlags extends ClientFlags {
  canary?: CanaryStep[];
  shadow?: number;
  hold?: number;
  exclusive?: boolean;
  force?: boolean;
  supersede?: boolean;
}

/** The folder is meant from where the user is, not from where the supervisor is. */
export const load = (dir: string, flags: RolloutFlags): Promise<void> => roll('load', { dir: path.resolve(dir), ...asked(flags) }, flags);
export const reload = (name: string, flags: RolloutFlags): Promise<void> => roll('reload', { name, ...asked(flags) }, flags);
export const rollback = (name: string, flags: ClientFlags): Promise<void> => roll('rollback', { name }, flags);

export async function unload(reference: string, flags: ClientFlags): Promise<void> {
  const { name, version } = parseReference(reference);
  await command(flags, 'unload', { name, version });
  await (flags.json ? printJson({ plugin: name, version: version ?? null, outcome: 'unloaded' }) : print(`${plainLine(reference)} unloaded`));
}

async function roll(op: string, params: object, flags: ClientFlags): Promise<void> {
  const result = (await command(flags, op, params)) as RolloutResult;
  await (flags.json ? printJson(result) : print(describe(result)));
}

function asked({ canary, shadow, hold, exclusive, force, supersede }: RolloutFlags): { options: LoadOptions } {
  const rollout: RolloutOptions = {
    ...(canary !== undefined && { canary: { steps: canary } }),
    ...(shadow !== undefined && { shadow: { percent: shadow } }),
    ...(hold !== undefined && { holdMs: hold }),
    ...(exclusive === true && { strategy: 'exclusive' }),
  };
  return {
    options: { ...(Object.keys(rollout).length > 0 && { rollout }), ...(force === true && { force }), ...(supersede === true && { supersede }) },
  };
}

function describe({ plugin, from, to, phases, outageMs, shadow }: RolloutResult): string {
  const total = phases.reduce((sum, { ms }) => sum + ms, 0);
  const change = from === null ? to : from === to ? `${to} with a fresh process` : `${from} → ${to}`;
  const lines = [`${plainLine(plugin)} ${plainLine(change)} is active, after ${time(total)}`];
  if (outageMs > 0) lines.push(`calls waited for ${time(outageMs)}`);
  if (shadow !== null) lines.push(`of ${shadow.calls} copied calls ${shadow.failed} failed, and ${shadow.differing} were answered differently`);
  return lines.join('; ');
}

const time = (ms: number): string => (ms < 1000 ? `${millis(ms)} ms` : duration(ms));
