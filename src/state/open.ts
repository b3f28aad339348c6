/** A state folder → the memory in it, which is nobody else's until it is closed. */
import { StateInUseError } from '../errors.ts';
import { FolderLock } from './folder-lock.ts';
import { Memory } from './memory.ts';
import { StateFile } from './state-file.ts';

/**
 * Throws `StateInUseError`. A folder that cannot be written, and a file that cannot be read, are told to `onLost`: what is not
 * remembered keeps no plugin from running. A null `dir` remembers for as long as this process lives.
 */
export async function openMemory(dir: string | null, onLost: (message: string) => void): Promise<Memory> {
  const lost = (error: Error): void => onLost(error.message);
  if (dir === null) return new Memory(new Map(), null, lost);
  let lock: FolderLock;
  try {
    lock = await FolderLock.take(dir, onLost);
  } catch (error) {
    if (error instanceof StateInUseError) throw error;
    onLost(`${dir} cannot be written, so nothing is remembered: ${(error as Error).message}`);
    return new Memory(new Map(), null, lost);
  }
  const file = new StateFile(dir, onLost);
  const { memories, damage } = await file.recover();
  if (damage !== null) onLost(damage);
  return new Memory(memories, { file, lock }, lost);
}
