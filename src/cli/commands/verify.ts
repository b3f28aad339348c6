/** `verify [NAME[@VERSION]]`: whether what was installed is what is there. Reads every file, and runs none. */
import { verifyPlugins, type VerifyResult } from '../../index.ts';
import { parseReference } from '../arguments.ts';
import { locatePlugins, type ConfigurationFlags } from '../configuration.ts';
import type { CommonFlags } from '../context.ts';
import { Exit, factsOf } from '../errors.ts';
import { cell, table } from '../render/table.ts';
import { indented, paint, print, printJson } from '../terminal.ts';

const SAID: Record<VerifyResult['outcome'], string> = {
  whole: paint('green', 'as it was installed'),
  damaged: paint('red', 'damaged'),
  unrecorded: 'not installed, put there',
};

/** 1 when a version is damaged. */
export async function verify(reference: string | undefined, flags: ConfigurationFlags & CommonFlags): Promise<number> {
  const pluginDir = await locatePlugins(flags);
  const results = await verifyPlugins({ pluginDir, ...(reference === undefined ? {} : parseReference(reference)) });
  if (flags.json) {
    await printJson({ pluginDir, versions: results.map((result) => ({ ...result, error: result.error && factsOf(result.error) })) });
  } else {
    const columns = [{ title: 'PLUGIN' }, { title: 'VERSION' }, { title: 'STATE' }];
    const rows = results.map(({ plugin, version, outcome }) => [cell(plugin), cell(version), SAID[outcome]]);
    await print(results.length === 0 ? 'no versions in folders of their own' : table(columns, rows));
    for (const { error } of results) if (error !== null) await print(`\n${indented(error.message)}`);
  }
  return results.some(({ outcome }) => outcome === 'damaged') ? Exit.failed : Exit.done;
}
