import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Makes the names in a folder outlast a loss of power. */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
