/** `init DIR [--name NAME] [--ts | --js]`: a new plugin in a folder that is new or empty. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { refuseName, scaffold } from '../../build/scaffold.ts';
import { VERSION } from '../../index.ts';
import type { CommonFlags } from '../context.ts';
import { usageError } from '../errors.ts';
import { paint, plain, print, printJson } from '../terminal.ts';

export interface InitFlags extends CommonFlags {
  name?: string;
  ts?: boolean;
  js?: boolean;
}

export async function init(given: string, { name: chosen, ts, js, json }: InitFlags): Promise<void> {
  if (ts === true && js === true) throw usageError('--ts and --js exclude each other', 'choose one; without either it is TypeScript');
  const dir = path.resolve(given);
  const name = chosen ?? nameFor(dir);
  const refusal = refuseName(name);
  if (refusal !== null) {
    throw chosen === undefined
      ? usageError(`the plugin is named for its folder: ${refusal}`, 'name another folder, or the plugin with --name NAME')
      : usageError(`--name: ${refusal}`);
  }
  await prepare(dir);
  const files = scaffold(name, js === true ? 'js' : 'ts', VERSION);
  for (const [file, text] of Object.entries(files)) await writeFile(path.join(dir, file), text, { flag: 'wx' });
  if (json) return printJson({ name, dir, files: Object.keys(files) });
  const next = [...(dir === process.cwd() ? [] : [`cd ${path.relative(process.cwd(), dir)}`]), 'npm install', 'npm test', 'npm run dev'];
  await print(
    `${plain(`${name} is in ${dir}: ${Object.keys(files).join(', ')}`)}\n\nnext:\n${next.map((line) => `  ${paint('bold', plain(line))}`).join('\n')}`,
  );
}

/** A folder `@acme/x` is the plugin `@acme/x`, as in a plugin folder. */
function nameFor(dir: string): string {
  const scope = path.basename(path.dirname(dir));
  return scope.startsWith('@') ? `${scope}/${path.basename(dir)}` : path.basename(dir);
}

async function prepare(dir: string): Promise<void> {
  let found: string[];
  try {
    await mkdir(dir, { recursive: true });
    found = await readdir(dir);
  } catch (error) {
    throw usageError(`cannot make the folder ${dir}: ${(error as Error).message}`);
  }
  // A repository that was made first is as good as an empty folder.
  if (found.some((name) => name !== '.git')) throw usageError(`${dir} is not empty`, 'name a folder that is new or empty');
}
