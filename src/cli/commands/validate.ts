/** `validate [--start]`: configuration and plugins as `start` would find them. Runs no plugin code unless `--start` asks for it. */
import {
  createSupervisor,
  isChameleonError,
  planPlugins,
  type ChameleonError,
  type Logger,
  type PlannedVersion,
  type SupervisorOptions,
} from '../../index.ts';
import { readConfiguration, type ConfigurationFlags } from '../configuration.ts';
import type { CommonFlags } from '../context.ts';
import { Exit, factsOf } from '../errors.ts';
import { cell, table } from '../render/table.ts';
import { indented, paint, plainLine, print, printJson } from '../terminal.ts';

export interface ValidateFlags extends ConfigurationFlags, CommonFlags {
  start?: boolean;
}

/** 1 when something that is configured would not be started; a wrong configuration is thrown. */
export async function validate(flags: ValidateFlags): Promise<number> {
  const { file, options } = await readConfiguration(flags);
  const { plugins, refused, warnings } = await planPlugins(options);
  if (flags.start === true) refused.push(...(await startEach(plugins, options)));
  const refusals = refused.map(({ path, error }) => ({ path, error: factsOf(error) }));
  if (flags.json) {
    await printJson({ config: file, pluginDir: options.pluginDir, plugins, refused: refusals, warnings });
  } else {
    await print(`configuration  ${cell(file ?? 'none, defaults')}\nplugin folder  ${cell(options.pluginDir)}\n`);
    const columns = [{ title: 'PLUGIN' }, { title: 'VERSION' }, { title: 'STARTS' }, { title: 'FOLDER' }];
    const rows = plugins.map(({ name, version, dir, start }) => [cell(name), cell(version), start ?? 'no', cell(dir)]);
    await print(plugins.length === 0 ? 'no plugins' : table(columns, rows));
    for (const warning of warnings) await print(`\n${paint('yellow', 'warning')} ${plainLine(warning)}`);
    for (const { path, error } of refusals) await print(`\n${paint('red', 'refused')} ${plainLine(path)}\n  ${indented(error.message)}`);
  }
  return refused.length === 0 ? Exit.done : Exit.failed;
}

const ignore = (): void => {};
const SILENT: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** One after the other, each in a supervisor of its own and with one child, so that none of them depends on another. */
async function startEach(plugins: readonly PlannedVersion[], options: SupervisorOptions): Promise<{ path: string; error: ChameleonError }[]> {
  const failed: { path: string; error: ChameleonError }[] = [];
  const { defaults, plugins: own = {}, nodePath, strictModes } = options;
  for (const { name, dir, start } of plugins) {
    if (start === null) continue;
    const supervisor = await createSupervisor({
      defaults,
      nodePath,
      strictModes,
      logger: SILENT,
      plugins: { [name]: { ...own[name], instances: 1 } },
    });
    try {
      await supervisor.load(dir);
    } catch (error) {
      if (!isChameleonError(error)) throw error;
      failed.push({ path: dir, error });
    } finally {
      await supervisor.close();
    }
  }
  return failed;
}
