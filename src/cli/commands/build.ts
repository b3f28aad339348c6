/** `build DIR [-o FILE]`: a plugin's project becomes an archive that can be installed. */
import path from 'node:path';
import { buildPlugin, type BuildResult } from '../../build/build.ts';
import { loadConfig } from '../config-file.ts';
import type { CommonFlags } from '../context.ts';
import { narrate, paint, plain, plainLine, print, printJson } from '../terminal.ts';

export interface BuildFlags extends CommonFlags {
  output?: string;
  external?: string[];
  /** False for `--no-run`. */
  run: boolean;
  config?: string;
}

export async function build(dir: string, { output, external, run, config, json }: BuildFlags): Promise<void> {
  const { options } = await loadConfig({ cwd: path.resolve(dir), file: config === undefined ? undefined : path.resolve(config) });
  const { defaults, plugins, nodePath } = options;
  const result = await buildPlugin(dir, { file: output, external, run, supervisor: { defaults, plugins, nodePath } });
  if (result.warnings !== '') narrate(plain(result.warnings.trimEnd()));
  await (json ? printJson(result) : print(describe(result)));
}

function describe({ name, version, file, bytes, integrity, methods, dependencies, compiler, untyped, files }: BuildResult): string {
  const outside = Object.entries(dependencies).map(([dependency, at]) => `${dependency} ${at}`);
  const types =
    compiler === null
      ? 'unknown: the project has no TypeScript to tell them'
      : `by ${compiler}${untyped.length === 0 ? '' : `; unknown for ${untyped.join(', ')}`}`;
  const facts: [string, string][] = [
    ['digest', integrity],
    ['methods', methods.join(', ')],
    ['types', types],
    ...(outside.length === 0 ? [] : [['outside', `${outside.join(', ')}, to be installed with it`] satisfies [string, string]]),
    ['files', files.join(', ')],
  ];
  const lines = facts.map(([title, fact]) => `  ${paint('dim', title.padEnd(7))}  ${plainLine(fact)}`);
  return [`${plainLine(`${name}@${version} is packed: ${file}`)} (${bytes} bytes)`, ...lines].join('\n');
}
