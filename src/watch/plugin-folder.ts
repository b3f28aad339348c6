/**
 * Watches a plugin folder and tells what changed in it. Quiet is judged for each plugin: one that is being copied is left alone until it is
 * whole, and holds up no other. Owns the watching; what is to be done about a change is its caller's business.
 *
 * 1. `onChange` is called for one change at a time; what comes meanwhile is told together, afterwards.
 * 2. After `close()` resolved it is not called any more.
 */
import { watch as watchOne, type FSWatcher } from 'node:fs';
import { lstat, readlink, realpath } from 'node:fs/promises';
import { basename, isAbsolute, join, parse, relative, resolve, sep } from 'node:path';
import { watch } from 'chokidar';
import { isOwnFile } from './own-files.ts';
import { shortageOf } from '../util/watch-shortage.ts';
import { clearTimeout, performance, setTimeout } from '../util/timers.ts';

/** A file is whole when its size has not changed for so long, a plugin when nothing was told of it for so long. */
const QUIET_MS = 200;
/** A plugin that is never quiet is looked at all the same. */
const MAX_WAIT_MS = 10_000;
const MAX_LINKS = 40;

export interface FolderWatch {
  close(): Promise<void>;
}

export interface FolderWatchOptions {
  /** As it was given: links in it are watched too. */
  dir: string;
  onChange(paths: ReadonlySet<string>): Promise<void>;
  /** `dir` leads to another folder now. */
  onMoved(): void;
  onError(error: Error): void;
}

interface Changes {
  readonly paths: Set<string>;
  readonly since: number;
  timer: NodeJS.Timeout;
}

/** Resolves once it watches. Names that begin with a dot, and a `node_modules`, are not looked at. Throws where `dir` is not there. */
export async function watchPluginFolder({ dir, onChange, onMoved, onError }: FolderWatchOptions): Promise<FolderWatch> {
  const root = await realpath(dir);
  const isHidden = (path: string): boolean =>
    path
      .slice(root.length)
      .split(sep)
      .some((part) => part.startsWith('.') || part === 'node_modules');
  const watcher = watch(root, {
    ignored: isHidden,
    ignoreInitial: true,
    followSymlinks: false,
    awaitWriteFinish: { stabilityThreshold: QUIET_MS, pollInterval: QUIET_MS / 4 },
  });
  /** By plugin. */
  const waiting = new Map<string, Changes>();
  let quiet = new Set<string>();
  let working: Promise<void> | null = null;
  let isShort = false;

  const tell = (): void => {
    // Keeps 1: when that is done it is looked at what came meanwhile.
    if (working !== null || quiet.size === 0) return;
    const paths = quiet;
    quiet = new Set();
    working = onChange(paths)
      .catch((error: unknown) => onError(error as Error))
      .finally(() => {
        working = null;
        tell();
      });
  };
  const settled = (plugin: string): void => {
    for (const path of waiting.get(plugin)?.paths ?? []) quiet.add(path);
    waiting.delete(plugin);
    tell();
  };
  const waitForQuiet = (plugin: string, path: string | null): void => {
    const known = waiting.get(plugin);
    if (known === undefined && path === null) return;
    const now = performance.now();
    const { paths, since } = known ?? { paths: new Set<string>(), since: now };
    if (known !== undefined) clearTimeout(known.timer);
    if (path !== null) paths.add(path);
    const waitMs = Math.max(0, Math.min(QUIET_MS, since + MAX_WAIT_MS - now));
    waiting.set(plugin, { paths, since, timer: setTimeout(settled, waitMs, plugin) });
  };
  watcher.on('all', (event, path) => {
    if (event.endsWith('Dir') || isOwnFile(root, path)) waitForQuiet(pluginOf(root, path), path);
  });
  // A file that still grows is told of by this alone.
  watcher.on('raw', (_event, name, details) => {
    const watched = (details as { watchedPath?: unknown } | undefined)?.watchedPath;
    if (typeof watched !== 'string' || typeof name !== 'string') return;
    const file = basename(watched) === name ? watched : join(watched, name);
    if (isOwnFile(root, file)) waitForQuiet(pluginOf(root, file), null);
  });
  watcher.on('error', (error) => {
    const shortage = shortageOf(error);
    // It comes once for each file.
    if (shortage !== null && isShort) return;
    isShort ||= shortage !== null;
    onError(shortage === null ? (error as Error) : new Error(`${shortage}; changes in ${root} may go unseen until it is watched anew`));
  });
  // Listens before anything is awaited: an empty folder is ready at once.
  const ready = new Promise<void>((done) => {
    watcher.once('ready', done);
    watcher.once('error', (error) => void (shortageOf(error) !== null && done()));
  });
  const links = await watchLinks(dir, root, onMoved, (error) => watcher.emit('error', error));
  await ready;

  return {
    async close() {
      links.close();
      await watcher.close();
      for (const { timer } of waiting.values()) clearTimeout(timer);
      waiting.clear();
      quiet.clear();
      await working;
    },
  };
}

/** The first folder below the plugin folder, or the second one below a scope. */
function pluginOf(root: string, path: string): string {
  const [first = '', second = ''] = relative(root, path).split(sep);
  return first.startsWith('@') ? `${first}/${second}` : first;
}

/** Follows the links on the way to `dir`, and tells when they lead elsewhere than to `root`. */
async function watchLinks(dir: string, root: string, onMoved: () => void, onError: (error: unknown) => void): Promise<{ close(): void }> {
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;
  const look = async (): Promise<void> => {
    const now = await realpath(dir).catch(() => root);
    if (now !== root && !isClosed) onMoved();
  };
  const watchers: FSWatcher[] = [];
  for (const [folder, names] of await linksOn(dir)) {
    try {
      const watcher = watchOne(folder, (_event, name) => {
        if (name !== null && !names.has(name)) return;
        if (timer !== null) clearTimeout(timer);
        timer = setTimeout(() => void look(), QUIET_MS);
      });
      watchers.push(watcher.on('error', onError));
    } catch (error) {
      onError(error);
    }
  }
  // It may have been switched while it was being read.
  await look();
  return {
    close() {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** The names of the links that a path goes through, by the folder that they are in. */
async function linksOn(dir: string): Promise<Map<string, Set<string>>> {
  const links = new Map<string, Set<string>>();
  const base = resolve(dir);
  let [at, rest] = [parse(base).root, relative(parse(base).root, base).split(sep)];
  for (let followed = 0; rest.length > 0 && followed < MAX_LINKS;) {
    const [name = '', ...more] = rest;
    const path = join(at, name);
    const isLink = await lstat(path).then(
      (stats) => stats.isSymbolicLink(),
      () => false,
    );
    rest = more;
    if (!isLink) {
      at = path;
      continue;
    }
    followed++;
    links.set(at, (links.get(at) ?? new Set()).add(name));
    const target = await readlink(path);
    if (isAbsolute(target)) at = parse(target).root;
    rest = [...target.slice(isAbsolute(target) ? at.length : 0).split(sep), ...more].filter((step) => step !== '' && step !== '.');
  }
  return links;
}
