/** `prune --keep N [NAME]`: old versions out of the plugin folder. What runs stays, and what the configuration asks for. */
import { prunePlugins, type InstalledVersion } from '../../index.ts';
import { loadOptions } from '../configuration.ts';
import { plainLine, print, printJson } from '../terminal.ts';
import { foldersInUse, type RemoveFlags } from './uninstall.ts';

export interface PruneFlags extends RemoveFlags {
  keep: number;
}

export async function prune(name: string | undefined, flags: PruneFlags): Promise<void> {
  const { pluginDir, options } = await loadOptions(flags);
  const ranges = (plugin: string): string[] => {
    const { version, pin = [] } = { ...options.defaults, ...options.plugins?.[plugin] };
    return [version ?? '*', ...pin];
  };
  const only = name === undefined ? {} : { name };
  const result = await prunePlugins({ pluginDir, keep: flags.keep, inUse: await foldersInUse(flags), ranges, ...only });
  if (flags.json) return printJson(result);
  for (const version of result.removed) await print(`removed ${referenceTo(version)}`);
  await print(`${result.removed.length} removed, ${result.kept.length} kept`);
}

const referenceTo = ({ plugin, version }: InstalledVersion): string => plainLine(`${plugin}@${version}`);
