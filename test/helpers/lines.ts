/** What a plugin wrote down, line by line; nothing while the file is not there. */
import { existsSync, readFileSync } from 'node:fs';

export function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}
