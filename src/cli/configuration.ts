/**
 * What `start` and `validate` run on: the file's options, and over them what the flags and the environment say.
 */
import path from 'node:path';
import { statSync } from 'node:fs';
import { type LogLevel, type SupervisorOptions } from '../index.ts';
import { type ConfigFile, loadConfig } from './config-file.ts';
import { usageError } from './errors.ts';

export interface ConfigurationFlags {
  config?: string;
  pluginDir?: string;
  logLevel?: LogLevel;
  watch?: boolean;
}

export interface Configuration {
  file: string | null;
  baseDir: string;
  options: SupervisorOptions & { pluginDir: string };
}

/**
 * The plugin folder, for a command that needs nothing else: with `--plugin-dir` no configuration is read, and no code of one runs.
 * A configuration in the folder `except` is not used unless `--config` names it. Throws `ConfigInvalidError`.
 */
export async function locatePlugins(flags: ConfigurationFlags, except?: string): Promise<string> {
  return flags.pluginDir === undefined ? (await loadOptions(flags, except)).pluginDir : path.resolve(flags.pluginDir);
}

/** The options of the configuration file, and the plugin folder. Throws `ConfigInvalidError`. */
export async function loadOptions(flags: ConfigurationFlags, except?: string): Promise<ConfigFile & { pluginDir: string }> {
  const found = await loadConfig({ cwd: process.cwd(), file: flags.config, except });
  const { baseDir, options } = found;
  return {
    ...found,
    pluginDir: flags.pluginDir === undefined ? path.resolve(baseDir, options.pluginDir ?? 'plugins') : path.resolve(flags.pluginDir),
  };
}

/** Throws `ConfigInvalidError`, and `ERR_USAGE` when the plugin folder is not there. */
export async function readConfiguration(flags: ConfigurationFlags): Promise<Configuration> {
  const { file, baseDir, options, pluginDir } = await loadOptions(flags);
  if (!statSync(pluginDir, { throwIfNoEntry: false })?.isDirectory()) {
    throw usageError(`there is no plugin folder ${pluginDir}`, 'make it, or name another with --plugin-dir DIR or `pluginDir` in the configuration');
  }
  // What it remembers goes where the versions are that it speaks of.
  const stateDir =
    typeof options.stateDir === 'string'
      ? path.resolve(baseDir, options.stateDir)
      : options.stateDir === null
        ? null
        : path.join(pluginDir, '.chameleon');
  return {
    file,
    baseDir,
    options: {
      ...options,
      pluginDir,
      stateDir,
      ...(flags.logLevel === undefined ? {} : { logLevel: flags.logLevel }),
      ...(flags.watch === true && { watch: true }),
    },
  };
}
