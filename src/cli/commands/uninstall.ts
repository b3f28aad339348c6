/** `uninstall NAME@VERSION`: a version out of the plugin folder, unless a supervisor runs it. */
import { uninstallPlugin, type SupervisorStatus } from '../../index.ts';
import { parseReference } from '../arguments.ts';
import { locatePlugins, type ConfigurationFlags } from '../configuration.ts';
import { inquire, type ClientFlags } from '../context.ts';
import { CliError, usageError } from '../errors.ts';
import { plainLine, print, printJson } from '../terminal.ts';

export type RemoveFlags = ConfigurationFlags & ClientFlags;

export async function uninstall(reference: string, flags: RemoveFlags): Promise<void> {
  const { name, version } = parseReference(reference);
  if (version === undefined)
    throw usageError(`which version of ${reference}?`, `name it: uninstall ${reference}@1.0.0; or leave the newest: prune --keep 1 ${reference}`);
  const pluginDir = await locatePlugins(flags);
  const removed = await uninstallPlugin(name, version, { pluginDir, inUse: await foldersInUse(flags) });
  await (flags.json ? printJson({ ...removed, outcome: 'uninstalled' }) : print(`${plainLine(reference)} is uninstalled`));
}

/** The folders of all versions that a supervisor has running or about to run; none when there is no supervisor. */
export async function foldersInUse(flags: ClientFlags): Promise<string[]> {
  try {
    const { plugins } = (await inquire(flags, 'status', {})) as SupervisorStatus;
    return plugins.flatMap(({ versions }) => versions.filter(({ state }) => state !== 'stopped' && state !== 'failed').map(({ dir }) => dir));
  } catch (error) {
    if (error instanceof CliError && error.facts.code === 'ERR_NO_SUPERVISOR') return [];
    throw error;
  }
}
