/**
 * What changes in a plugin folder, told once it is quiet again: a folder that is being copied there is left alone until it is whole.
 * Owns the watching; what is to be done about a change is its caller's business.
 *
 * 1. `onChange` is called for one change at a time; what comes meanwhile is told together, afterwards.
 * 2. After `close()` resolved it is not called any more.
 */
import { sep } from 'node:path';
import { watch } from 'chokidar';

/** A file is whole when its size has not changed for so long, the folder when nothing was told for so long. */
const QUIET_MS = 200;

export interface FolderWatch {
  close(): Promise<void>;
}

/** Resolves once it watches. Names that begin with a dot, and what is in a `node_modules`, are not looked at. */
export async function watchPluginFolder(
  dir: string,
  onChange: (paths: ReadonlySet<string>) => Promise<void>,
  onError: (error: Error) => void,
): Promise<FolderWatch> {
  const isHidden = (path: string): boolean =>
    path
      .slice(dir.length)
      .split(sep)
      .some((part) => part.startsWith('.') || part === 'node_modules');
  const watcher = watch(dir, {
    ignored: isHidden,
    ignoreInitial: true,
    followSymlinks: false,
    awaitWriteFinish: { stabilityThreshold: QUIET_MS, pollInterval: QUIET_MS / 4 },
  });
  let changed = new Set<string>();
  let timer: NodeJS.Timeout | null = null;
  let working: Promise<void> | null = null;

  const tell = (): void => {
    timer = null;
    // Keeps 1: when that is done it is looked at what came meanwhile.
    if (working !== null || changed.size === 0) return;
    const paths = changed;
    changed = new Set();
    working = onChange(paths)
      .catch((error: unknown) => onError(error as Error))
      .finally(() => {
        working = null;
        tell();
      });
  };
  const waitForQuiet = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(tell, QUIET_MS);
  };
  watcher.on('all', (_, path) => {
    changed.add(path);
    waitForQuiet();
  });
  // A file that still grows is told of by this alone.
  watcher.on('raw', () => timer !== null && waitForQuiet());
  watcher.on('error', (error) => onError(error as Error));
  await new Promise<void>((resolve) => watcher.once('ready', resolve));

  return {
    async close() {
      await watcher.close();
      if (timer !== null) clearTimeout(timer);
      changed.clear();
      await working;
    },
  };
}
