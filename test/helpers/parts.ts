/**
 * Real parts that a machine may lack: a browser, a server, another package manager. Where one is missing its tests are skipped by
 * name and counted; in CI (`CI=true`) they run all the same and fail, because CI installs every part.
 */
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

/** `test`, or a `test` that skips and says which part is missing. */
export function testWith(part: string, isThere: boolean): typeof test {
  if (isThere || process.env['CI'] === 'true') return test;
  const skip = (title: string): void => test.skipIf(true)(`${title} (skipped: no ${part} on this machine)`, () => expect.unreachable());
  return skip as unknown as typeof test;
}

/** True if a program of this name is on the PATH. */
export function hasProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)));
}

/** Folder of a real package from `test/peers`, which `npm run plugins` installs. */
export const peer = (name: string): string => resolve(import.meta.dirname, '../peers/node_modules', name);
