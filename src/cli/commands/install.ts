/** `install DIR | FILE.tgz | NAME@VERSION`: a version into the plugin folder. Needs no supervisor, and starts nothing. */
import { realpath } from 'node:fs/promises';
import { constants } from 'node:os';
import { installPlugin, type InstallProgress, type InstallResult } from '../../index.ts';
import { locatePlugins, type ConfigurationFlags } from '../configuration.ts';
import type { CommonFlags } from '../context.ts';
import { progress, type Progress } from '../render/progress.ts';
import { bytes } from '../render/units.ts';
import { narrate, paint, plainLine, print, printJson } from '../terminal.ts';

export interface InstallFlags extends ConfigurationFlags, CommonFlags {
  allowScripts?: string[];
}

const STEPS: Record<InstallProgress['phase'], string> = {
  reading: 'reading',
  unpacking: 'unpacking',
  checking: 'checking',
  dependencies: 'installing the dependencies of',
  hashing: 'hashing',
  placing: 'moving into place:',
};

/** Ctrl-C gives it up: then nothing is left of it, and the exit code is the shell's for the signal. */
export async function install(source: string, flags: InstallFlags): Promise<number | void> {
  // A plugin is not trusted before it is installed, so its own configuration is not used.
  const pluginDir = await locatePlugins(flags, await realpath(source).catch(() => undefined));
  const told: Progress | null = flags.json ? null : progress();
  const giveUp = new AbortController();
  let exitCode: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    exitCode ??= 128 + constants.signals[signal];
    giveUp.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  let result: InstallResult;
  try {
    const onProgress = ({ phase, detail }: InstallProgress): void => told?.step(`${STEPS[phase]} ${detail}`);
    result = await installPlugin(source, { pluginDir, allowScripts: flags.allowScripts ?? [], signal: giveUp.signal, onProgress });
  } catch (error) {
    if (exitCode !== undefined) return exitCode;
    throw error;
  } finally {
    told?.end();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
  if (!flags.json) for (const warning of result.warnings) narrate(`warning: ${plainLine(warning)}`);
  await (flags.json ? printJson(result) : print(describe(result)));
}

function describe({ plugin, version, dir, files, bytes: size, outcome }: InstallResult): string {
  const what = { installed: 'is installed', 'already-there': 'was installed already', repaired: 'was damaged, and is installed anew' }[outcome];
  return `${paint('bold', plainLine(`${plugin}@${version}`))} ${what}: ${plainLine(dir)} (${files} ${files === 1 ? 'file' : 'files'}, ${bytes(size)})`;
}
