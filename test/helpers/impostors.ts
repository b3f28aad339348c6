/** Things of other kinds in the place of a file that is read: they block a reader that does not look first, or fill its memory. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';

export const IMPOSTORS = ['a named pipe', 'a folder', 'a socket', 'a link to a device', 'a huge file'] as const;
export type Impostor = (typeof IMPOSTORS)[number];

export async function putImpostor(kind: Impostor, path: string): Promise<void> {
  switch (kind) {
    case 'a named pipe':
      execFileSync('mkfifo', [path]);
      return;
    case 'a folder':
      mkdirSync(path);
      writeFileSync(join(path, 'kept'), 'kept');
      return;
    case 'a socket':
      return putSocket(path);
    case 'a link to a device':
      symlinkSync('/dev/zero', path);
      return;
    case 'a huge file': {
      // It takes no room on the disk.
      const file = openSync(path, 'w');
      ftruncateSync(file, 2 ** 30);
      closeSync(file);
    }
  }
}

/** Node removes a socket's file when the server closes, so a process that is killed has to leave it. */
async function putSocket(path: string): Promise<void> {
  const server = createServer();
  await once(server.listen(path), 'listening');
  server.unref();
}
