/** Where programs are that we start by name. Found before the working directory changes, and never in a folder that PATH names relatively. */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';

/** PATH without its relative and empty entries: in the folder of a plugin they would name folders of that plugin. */
export function absolutePath(path = ''): string {
  return path.split(delimiter).filter(isAbsolute).join(delimiter);
}

/** npm and the arguments before its own: the one beside our Node, which runs its script, else the first on PATH. Null if there is none. */
export async function npmCommand(): Promise<string[] | null> {
  const beside = await realpath(join(dirname(process.execPath), 'npm')).catch(() => null);
  const found = beside ?? (await findProgram('npm'));
  if (found === null) return null;
  return found.endsWith('.js') ? [process.execPath, found] : [found];
}

async function findProgram(name: string): Promise<string | null> {
  for (const folder of absolutePath(process.env['PATH']).split(delimiter)) {
    const file = await realpath(join(folder, name)).catch(() => null);
    if (file === null || !(await stat(file)).isFile()) continue;
    const mayRun = await access(file, constants.X_OK).then(() => true, () => false); // prettier-ignore
    if (mayRun) return file;
  }
  return null;
}
