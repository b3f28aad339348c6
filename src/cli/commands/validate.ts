/** `validate`: configuration and plugins as `start` would find them. Starts nothing, runs no plugin code. */
import { scanPlugins } from '../../index.ts';
import { readConfiguration, type ConfigurationFlags } from '../configuration.ts';
import type { CommonFlags } from '../context.ts';
import { Exit, factsOf } from '../errors.ts';
import { cell, table } from '../render/table.ts';
import { paint, plain, print, printJson } from '../terminal.ts';

/** 1 when a plugin is refused; a wrong configuration is thrown. */
export async function validate(flags: ConfigurationFlags & CommonFlags): Promise<number> {
  const { file, options } = await readConfiguration(flags);
  const { plugins, refused } = await scanPlugins(options.pluginDir);
  const refusals = refused.map(({ path, error }) => ({ path, error: factsOf(error) }));
  if (flags.json) {
    await printJson({ config: file, pluginDir: options.pluginDir, plugins, refused: refusals });
  } else {
    await print(`configuration  ${file ?? 'none, defaults'}\nplugin folder  ${options.pluginDir}\n`);
    const columns = [{ title: 'PLUGIN' }, { title: 'VERSION' }, { title: 'FOLDER' }];
    await print(
      plugins.length === 0
        ? 'no plugins'
        : table(
            columns,
            plugins.map(({ name, version, dir }) => [cell(name), cell(version), cell(dir)]),
          ),
    );
    for (const { path, error } of refusals)
      await print(`\n${paint('red', 'refused')} ${plain(path)}\n  ${plain(error.message).replaceAll('\n', '\n  ')}`);
  }
  return refused.length === 0 ? Exit.done : Exit.failed;
}
